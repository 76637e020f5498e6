//! The streams of four specs, number by number: a change of what a seed means must be made on purpose.
//!
//! `EOSLAB_UPDATE_VECTORS=1 cargo test --release -p eoslab-core golden` writes the files anew.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use eoslab_core::{Layout, Salting, StreamSpec, Tally};

use crate::common::{draws, layout, salted_spec, spec, streams};

/// The committed text, or `made` itself after writing it where that is asked for.
pub fn committed(file: &str, made: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(file);
    if std::env::var_os("EOSLAB_UPDATE_VECTORS").is_some() {
        fs::write(&path, made).expect("the vectors can be written");
    }
    fs::read_to_string(&path).expect("the vectors are committed")
}

fn specs() -> [StreamSpec; 4] {
    let uniform = StreamSpec {
        seed: 0,
        partitions: 4096,
        accounts: 1000,
        zipf_exponent: 0.0,
        salting: None,
    };
    let salting = Some(Salting {
        accounts: 100,
        salts: 256,
    });
    let steep = StreamSpec {
        seed: u64::MAX,
        partitions: 7,
        accounts: 200_000,
        zipf_exponent: 3.0,
        salting,
    };
    let default = StreamSpec {
        accounts: 10_000_000,
        ..spec()
    };
    [uniform, salted_spec(), steep, default]
}

/// Sizes, digests and draws of a spec in words.
fn describe(spec: &StreamSpec) -> String {
    let layout = layout(spec);
    let streams = streams(&layout);
    let mut text = String::new();
    writeln!(
        text,
        "spec {}",
        serde_json::to_string(spec).expect("a spec can be written")
    )
    .expect("memory");
    writeln!(text, "digest {:016x}", layout.digest()).expect("memory");
    writeln!(text, "streams {}", streams.len()).expect("memory");
    let mut all = Tally::default();
    for stream in &streams {
        for (seq, draw) in (0..).zip(draws(stream, 2000)) {
            all.add(stream.partition(), seq, draw.account_id, draw.amount);
        }
    }
    writeln!(text, "first 2000 of each {} {} {:016x}", all.count, all.sum, all.digest).expect("memory");
    for stream in [streams.first(), streams.last()].into_iter().flatten() {
        let partition = stream.partition();
        let (slots, share) = (layout.slots(partition), layout.share(partition).to_bits());
        let count = layout.counts(1_000_000_007)[partition as usize];
        writeln!(
            text,
            "partition {partition} slots {slots} share {share:016x} count {count}"
        )
        .expect("memory");
        for seq in [0, 1, 2, 3, 1000, 1 << 40, u64::MAX] {
            let draw = stream.draw(seq);
            let salt = draw.salt.map_or("-".to_owned(), |salt| salt.to_string());
            writeln!(
                text,
                "  seq {seq} account {} salt {salt} slot {} amount {}",
                draw.account_id, draw.slot, draw.amount
            )
            .expect("memory");
        }
    }
    text
}

#[test]
fn golden_streams_are_what_they_were() {
    let made: String = specs().iter().map(describe).collect();
    assert_eq!(made, committed("streams.txt", &made));
}

/// The twin: the same events from another seed.
#[test]
fn golden_streams_of_another_seed_differ() {
    let [_, base, ..] = specs();
    let other = StreamSpec {
        seed: base.seed + 1,
        ..base.clone()
    };
    let draws_only = |text: String| {
        text.lines()
            .filter(|line| line.contains("seq"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (one, two) = (draws_only(describe(&base)), draws_only(describe(&other)));
    assert!(one.iter().zip(&two).all(|(one, two)| one != two));
    assert_ne!(
        Layout::new(&base).map(|layout| layout.digest()),
        Layout::new(&other).map(|layout| layout.digest())
    );
}
