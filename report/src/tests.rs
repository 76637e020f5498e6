use super::*;

fn sample() -> Result<Report, ReadError> {
    Report::from_json(include_str!("../tests/page/sample.json"))
}

#[test]
fn the_largest_report_still_fits_and_says_what_it_lacks() -> Result<(), Box<dyn std::error::Error>> {
    let mut report = sample()?;
    let fault = report.faults[0].clone();
    report.faults = vec![fault; 1000];
    report.pauses = vec![report.pauses[0].clone(); PAUSES_MAX];
    report.series.points = vec![report.series.points[40].clone(); POINTS_MAX];
    let json = report.to_json_within(1_000_000)?;
    assert!(json.len() <= 1_000_000, "{} bytes", json.len());
    assert!(!report.omitted.is_empty());
    assert_eq!(Report::from_json(&json)?, report, "it is written as it is");
    Ok(())
}

#[test]
fn a_report_that_fits_lacks_nothing() -> Result<(), Box<dyn std::error::Error>> {
    let mut report = sample()?;
    report.to_json_within(1_000_000)?;
    assert_eq!(report, sample()?);
    Ok(())
}

#[test]
fn a_report_of_another_version_is_refused() -> Result<(), Box<dyn std::error::Error>> {
    let mut value = serde_json::to_value(sample()?)?;
    value["schemaVersion"] = 2.into();
    let error = Report::from_json(&value.to_string()).expect_err("version 2");
    assert!(error.to_string().contains("version 2"), "{error}");
    assert!(Report::from_json("{}").is_err());
    Ok(())
}
