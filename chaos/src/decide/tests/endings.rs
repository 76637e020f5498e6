//! How a run ends.

use super::*;

#[test]
fn the_end() {
    use FaultType::KillCounter;
    use InjectionState::{NoEffect, NotRecovered, Recovered};
    let one = |state| status(ChaosPhase::Judging, 1, &[injection(KillCounter, state, 900)]);
    let exact_run = || judged(world(), Verdict::Pass, exact());
    let wrong_run = || judged(world(), Verdict::Fail, duplicated());
    let too_slow = judged(world(), Verdict::Fail, exact());
    let not_verified = judged(world(), Verdict::Error, CorrectnessStatus::default());
    let table: Vec<(ChaosRunStatus, World, &str)> = vec![
        (one(NoEffect), world(), "Inconclusive NoEffect"),
        (one(NotRecovered), world(), "Fail NotRecovered"),
        (one(Recovered), world(), "Judging WaitingForVerdict"),
        (one(Recovered), exact_run(), "Pass ExactAndRecovered"),
        (one(Recovered), wrong_run(), "Fail NotExact"),
        (one(Recovered), too_slow, "Pass ExactAndRecovered"),
        (one(Recovered), not_verified, "Inconclusive LoadTestNotVerified"),
    ];
    for (status, world, expected) in table {
        let step = decided(&spec(&[KillCounter]), &status, &world, Some(1));
        assert_eq!(word(&step), expected, "{step:?}");
    }
    let mut going_on = spec(&[KillCounter, KillCounter]);
    going_on.stop_on_failure = false;
    let step = decided(&going_on, &one(NotRecovered), &world(), Some(1));
    assert_eq!(word(&step), "Steadying Steadying");
}

#[test]
fn a_control_that_shows_nothing_takes_the_result_back() {
    let over = status(
        ChaosPhase::Judging,
        1,
        &[injection(FaultType::KillCounter, InjectionState::Recovered, 900)],
    );
    let with = |control: Option<Control>| World {
        control,
        ..judged(world(), Verdict::Pass, exact())
    };
    let mut guarded = spec(&[FaultType::KillCounter]);
    guarded.control = Some("control".to_owned());
    let table = [
        (None, "Inconclusive NoControl"),
        (Some(Control::Missing), "Inconclusive NoControl"),
        (Some(Control::Going), "Judging WaitingForVerdict"),
        (
            Some(Control::Over { showed_harm: false }),
            "Inconclusive ControlShowsNothing",
        ),
        (Some(Control::Over { showed_harm: true }), "Pass ExactAndRecovered"),
    ];
    for (control, expected) in table {
        let step = decided(&guarded, &over, &with(control.clone()), Some(1));
        assert_eq!(word(&step), expected, "{control:?}");
    }
    let mut control = spec(&[FaultType::KillCounter]);
    control.expect = eoslab_api::chaos::Expectation::Duplicates;
    for (correctness, expected) in [
        (exact(), "Inconclusive ControlShowsNothing"),
        (duplicated(), "Pass ControlShowsHarm"),
    ] {
        let step = decided(&control, &over, &judged(world(), Verdict::Fail, correctness), Some(1));
        assert_eq!(word(&step), expected);
    }
}
