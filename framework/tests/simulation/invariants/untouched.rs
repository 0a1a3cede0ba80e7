//! Objects without handlers, which are left alone.

use crate::history::{History, Violation};
use korf_testing::api::Effect;

/// The operator has never written records or its finalizer onto an object that no change handler, and no
/// daemon with a finalizer, was ever for.
pub fn by_us(history: &History) -> Vec<Violation> {
    let world = &history.world;
    let concerned = |of: &str| {
        let mut states = history.states_of(of);
        states.any(|(_, state)| {
            let kept = world.daemon.as_ref().is_some_and(|daemon| daemon.keeps && daemon.concerns(state));
            kept || world.roles.iter().any(|role| !role.handles_events() && role.concerns(world, state))
        })
    };
    let touches = |effect: &Effect| {
        let holds = |object: &Option<_>| object.as_deref().is_some_and(|object| world.holds(object));
        history.keeps(effect) || holds(&effect.before) != holds(&effect.after)
    };
    let touched = |of: &&str| history.effects_on(of).any(|(ours, effect)| ours && touches(effect));
    let strangers = history.uids().filter(|of| !concerned(of)).filter(touched);
    strangers.map(|of| Violation(of.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        invariants::sample::{Telling, role},
        role::{Cue, Want},
    };
    use serde_json::{Value, json};

    fn of_gold(told: impl Fn(Telling) -> Telling) -> usize {
        let mut labelled = role("u", Cue::Update);
        labelled.label = Some(("tier", Want::Is("gold".into())));
        by_us(&told(Telling::of([labelled, role("e", Cue::Event)])).history()).len()
    }

    fn labelled(tier: Value) -> Value {
        json!({"metadata": {"labels": {"tier": tier}}})
    }

    #[test]
    fn an_object_without_handlers_is_left_alone() {
        assert_eq!(of_gold(|told| told.user(labelled("silver".into()))), 0);
        assert_eq!(of_gold(Telling::closed), 1);
        assert_eq!(of_gold(|told| told.closed().ours(json!({"metadata": {"annotations": null}}))), 1);
        assert_eq!(of_gold(Telling::held), 1);
    }

    #[test]
    fn an_object_that_had_a_handler_once_may_be_touched() {
        assert_eq!(
            of_gold(|told| told.user(labelled("gold".into())).closed().user(labelled(Value::Null))),
            0
        );
    }

    #[test]
    fn an_event_handlers_write_is_no_record() {
        assert_eq!(of_gold(|told| told.ours(labelled("silver".into()))), 0);
    }
}
