//! The committed schema is what the types say, and reports keep to it.

use std::error::Error;

use eoslab_report::{Report, render};
use schemars::generate::SchemaSettings;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/report.schema.json");
const SAMPLES: [&str; 2] = [
    include_str!("page/sample.json"),
    include_str!("page/sample-search.json"),
];

fn schema() -> serde_json::Value {
    let schema = SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<Report>();
    schema.to_value()
}

#[test]
fn the_committed_schema_is_what_the_types_say() -> Result<(), Box<dyn Error>> {
    let written = format!("{}\n", serde_json::to_string_pretty(&schema())?);
    if std::env::var_os("EOSLAB_REGENERATE").is_some() {
        std::fs::write(PATH, &written)?;
    }
    let committed = std::fs::read_to_string(PATH).unwrap_or_default();
    let fix = "run EOSLAB_REGENERATE=1 cargo test --release -p eoslab-report --test schema";
    assert!(committed == written, "{PATH} is not what the types say; {fix}");
    Ok(())
}

#[test]
fn reports_keep_to_the_schema_and_others_do_not() -> Result<(), Box<dyn Error>> {
    let validator = jsonschema::validator_for(&schema())?;
    for sample in SAMPLES {
        let report: Report = serde_json::from_str(sample)?;
        let mut value = serde_json::to_value(&report)?;
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
        value["series"]["intervalMs"] = "soon".into();
        assert!(!validator.is_valid(&value), "a text is no number");
    }
    Ok(())
}

#[test]
fn a_report_survives_its_own_format() -> Result<(), Box<dyn Error>> {
    for sample in SAMPLES {
        let report: Report = serde_json::from_str(sample)?;
        let again: Report = serde_json::from_str(&serde_json::to_string(&report)?)?;
        assert_eq!(report, again);
    }
    Ok(())
}

#[test]
fn nothing_in_a_report_ends_the_script_that_holds_it() -> Result<(), Box<dyn Error>> {
    let mut report: Report = serde_json::from_str(SAMPLES[0])?;
    report.status.message = Some("</script><script>alert(1)</script> __TITLE__".to_owned());
    report.load_test.name = "<b>".to_owned();
    let page = render(&report)?;
    assert!(!page.contains("<script>alert"), "the message must not be markup");
    assert!(!page.contains("<b>"), "nor the name");
    assert!(page.contains("__TITLE__"), "data is not a template");
    for token in ["/*__STYLE__*/", "/*__SCRIPT__*/", "__DATA__"] {
        assert!(!page.contains(token), "{token} was not replaced");
    }
    Ok(())
}
