//! The page of each sample in a browser: plots drawn, nothing on the console, no request, the verdict in sight. Needs node,
//! Chromium and `npm ci --prefix report/tests/page`; without them the test is skipped, or fails if `EOSLAB_TEST_REQUIRE=1`.
//! The pages stay in `target/tmp` for a look.

use std::error::Error;
use std::path::Path;
use std::process::Command;

use eoslab_report::{Report, render};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/page");

#[test]
fn every_sample_is_drawn() -> Result<(), Box<dyn Error>> {
    let driver = Path::new(FOLDER).join("node_modules");
    if !driver.exists() {
        let is_required = std::env::var("EOSLAB_TEST_REQUIRE").is_ok_and(|require| require == "1");
        assert!(
            !is_required,
            "EOSLAB_TEST_REQUIRE=1, but there is no {}",
            driver.display()
        );
        eprintln!("skipped: there is no {}", driver.display());
        return Ok(());
    }
    for name in ["sample", "sample-search"] {
        let json = std::fs::read_to_string(format!("{FOLDER}/{name}.json"))?;
        let mut report = Report::from_json(&json)?;
        report.omitted = vec!["the members".to_owned()];
        let page = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.html"));
        std::fs::write(&page, render(&report)?)?;
        let seen = Command::new("node")
            .arg("check.mjs")
            .arg(&page)
            .current_dir(FOLDER)
            .output()?;
        let said = String::from_utf8_lossy(&seen.stderr).into_owned();
        assert!(seen.status.success(), "{name}: {said}");
    }
    Ok(())
}
