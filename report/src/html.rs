//! The report as one page that needs no other file and no network.

use crate::Report;

const PAGE: &str = include_str!("page/report.html");
const STYLE: &str = include_str!("page/report.css");
const SCRIPT: &str = concat!(
    include_str!("page/base.js"),
    include_str!("page/verdict.js"),
    include_str!("page/plot.js"),
    include_str!("page/plots.js"),
    include_str!("page/page.js"),
);

/// The page.
///
/// # Errors
/// When the report cannot be written as JSON.
pub fn render(report: &Report) -> Result<String, serde_json::Error> {
    // Nothing in a name or a message may end the script that holds it.
    let data = serde_json::to_string(report)?.replace('<', "\\u003c");
    let title = format!("{}/{}", report.load_test.namespace, report.load_test.name);
    Ok(PAGE
        .replace("/*__STYLE__*/", STYLE)
        .replace("/*__SCRIPT__*/", SCRIPT)
        .replace("__TITLE__", &escaped(&title))
        // Last: what it holds is not looked at again.
        .replace("__DATA__", &data))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
