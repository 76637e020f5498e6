//! `Pending`: not started.

use eoslab_api::Phase;

use super::{Decision, Look};

pub(super) fn next(look: &Look) -> Decision {
    if look.plan.valid.spec.suspend {
        let message = "spec.suspend is set; set it to false to start";
        return Decision::new(look.prior, Phase::Pending, "Suspended", message);
    }
    if let Some(rival) = &look.seen.rival {
        let topic = &look.plan.valid.topic;
        let message = format!("LoadTest {rival} uses topic {topic} and goes first");
        return Decision::new(look.prior, Phase::Pending, "TopicInUse", message);
    }
    let mut decision = Decision::new(
        look.prior,
        Phase::Provisioning,
        "Provisioning",
        "the spec is valid; making the topic and the pods",
    );
    decision.provisioning_since_us = Some(look.now_us);
    decision
}
