//! Validation: one test for each error, and the limits themselves.

use eoslab_core::{Layout, Salting, StreamError, StreamSpec};

use crate::common::spec;

fn refused(spec: &StreamSpec) -> (StreamError, String) {
    let error = spec.validate().expect_err("the spec is out of range");
    assert_eq!(
        Layout::new(spec).err(),
        Some(error),
        "a layout refuses what validation refuses"
    );
    (error, error.to_string())
}

#[test]
fn the_limits_are_valid() {
    let smallest = StreamSpec {
        seed: 0,
        partitions: 1,
        accounts: 1,
        zipf_exponent: 0.0,
        salting: None,
    };
    assert_eq!(smallest.validate(), Ok(()));
    let salting = Some(Salting {
        accounts: 10_000,
        salts: 256,
    });
    let largest = StreamSpec {
        seed: u64::MAX,
        partitions: 4096,
        accounts: 100_000_000,
        zipf_exponent: 3.0,
        salting,
    };
    assert_eq!(largest.validate(), Ok(()));
}

#[test]
fn partitions_out_of_range_are_refused() {
    for partitions in [0, 4097] {
        let (error, message) = refused(&StreamSpec { partitions, ..spec() });
        assert_eq!(error.label(), "partitions");
        assert_eq!(message, format!("partitions must be 1 to 4096, not {partitions}"));
    }
}

#[test]
fn accounts_out_of_range_are_refused() {
    for accounts in [0, 100_000_001] {
        let (error, message) = refused(&StreamSpec { accounts, ..spec() });
        assert_eq!(error.label(), "accounts");
        assert_eq!(message, format!("accounts must be 1 to 100000000, not {accounts}"));
    }
}

#[test]
fn exponents_out_of_range_are_refused() {
    for zipf_exponent in [-0.1, 3.001, f64::INFINITY, f64::NAN] {
        let broken = StreamSpec {
            zipf_exponent,
            ..spec()
        };
        let error = broken.validate().expect_err("the exponent is out of range");
        assert_eq!(error.label(), "zipfExponent");
        assert_eq!(
            error.to_string(),
            format!("zipfExponent must be 0 to 3, not {zipf_exponent}")
        );
    }
}

#[test]
fn too_many_salted_accounts_are_refused() {
    let broken = StreamSpec {
        accounts: 20_000,
        salting: Some(Salting {
            accounts: 10_001,
            salts: 2,
        }),
        ..spec()
    };
    let (error, message) = refused(&broken);
    assert_eq!(error.label(), "salting.accounts");
    assert_eq!(message, "salting.accounts must be at most 10000, not 10001");
}

#[test]
fn more_salted_accounts_than_accounts_are_refused() {
    let broken = StreamSpec {
        accounts: 5,
        salting: Some(Salting { accounts: 6, salts: 2 }),
        ..spec()
    };
    let (error, message) = refused(&broken);
    assert_eq!(error.label(), "salting.accounts");
    assert_eq!(message, "salting.accounts (6) must not exceed accounts (5)");
}

#[test]
fn salts_out_of_range_are_refused() {
    for salts in [0, 257] {
        let (error, message) = refused(&StreamSpec {
            salting: Some(Salting { accounts: 1, salts }),
            ..spec()
        });
        assert_eq!(error.label(), "salting.salts");
        assert_eq!(message, format!("salting.salts must be 1 to 256, not {salts}"));
    }
}

#[test]
fn a_spec_survives_json() -> Result<(), serde_json::Error> {
    let spec = crate::common::salted_spec();
    let json = serde_json::to_value(&spec)?;
    let expected = serde_json::json!({
        "seed": 42, "partitions": 12, "accounts": 10_000, "zipfExponent": 1.1, "salting": {"accounts": 10, "salts": 16},
    });
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_value::<StreamSpec>(json)?, spec);
    Ok(())
}
