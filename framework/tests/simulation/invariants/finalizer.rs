//! The finalizer: on the object for as long as a delete handler needs it.

use crate::{
    history::{History, Violation, is_deleting, uid},
    role::Role,
    script::Ending,
};
use korf::{Reason, handler::OnError};
use korf_testing::api::Effect;
use serde_json::Value;

/// The operator removes its finalizer only when all delete handlers are done, or when the object has none.
pub fn kept_long_enough(history: &History) -> Vec<Violation> {
    let world = &history.world;
    let mut violations = Vec::new();
    for (ours, effect) in history.effects() {
        let Some(before) = effect.before.as_ref().filter(|before| ours && world.holds(before)) else {
            continue;
        };
        if effect.after.as_ref().is_some_and(|after| world.holds(after)) {
            continue;
        }
        let needed = |role: &&Role| {
            role.deletion().is_some_and(|(optional, _)| !optional) && role.concerns(world, before)
        };
        for role in world.roles.iter().filter(needed) {
            if !is_deleting(before) || !is_done(history, role, before, effect) {
                let text = format!("{} goes at {} without {}", uid(before), effect.revision, role.id);
                violations.push(Violation(text));
            }
        }
    }
    violations
}

fn is_done(history: &History, role: &Role, before: &Value, effect: &Effect) -> bool {
    let (optional, lets_go) = role.deletion().unwrap_or_default();
    let untouched = history.world.base(before).is_none();
    let calls = history.calls_for(uid(before)).filter(|call| {
        call.id == role.id && call.reason == Some(Reason::Delete) && call.ended.revision < effect.revision
    });
    calls.rev().any(|call| match call.ending {
        Ending::Succeeded => true,
        Ending::Arbitrary | Ending::Panicked if role.limits.errors == OnError::Ignored => true,
        // It was rejected, and no handler has ever done anything for it.
        Ending::Unreadable if untouched => true,
        ending => (optional || lets_go) && role.is_done_after(call.attempt, ending) != Some(false),
    })
}

/// No handler is called for an object that needs the finalizer and doesn't have it.
pub fn early_enough(history: &History) -> Vec<Violation> {
    let world = &history.world;
    let needs = |object: &Value| {
        let needed = |role: &Role| role.deletion().is_some_and(|(optional, _)| !optional);
        world.roles.iter().any(|role| needed(role) && role.concerns(world, object))
    };
    let calls = history.calls.iter().filter(|call| call.event.is_none());
    let free = calls.filter(|call| {
        let object = call.body.value();
        !is_deleting(object) && needs(object) && !world.holds(object)
    });
    free.map(|call| Violation(format!("{} is called for {}", call.id, call.body.uid()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        invariants::sample::{DELETION, Telling, role},
        role::Cue,
        script::Ending::{Permanent, Succeeded, Temporary, Unreadable},
    };
    use serde_json::json;

    fn deleted(cue: Cue) -> Telling {
        Telling::of([role("d", cue)]).held().closed().deleted()
    }

    fn wrong(told: Telling) -> usize {
        kept_long_enough(&told.let_go().history()).len()
    }

    #[test]
    fn an_object_goes_after_its_delete_handlers() {
        let after = |cue, ending| wrong(deleted(cue).call("d", Reason::Delete, ending));
        let letting = Cue::Delete { optional: false, lets_go: true };
        assert_eq!(after(DELETION, Succeeded), 0);
        assert_eq!(wrong(deleted(DELETION)), 1);
        for (ending, lets_go) in [(Temporary, 1), (Permanent, 0)] {
            assert_eq!((after(DELETION, ending), after(letting, ending)), (1, lets_go), "{ending:?}");
        }
        assert_eq!(wrong(deleted(Cue::Delete { optional: true, lets_go: false })), 0);
    }

    #[test]
    fn an_object_that_could_never_be_read_goes() {
        let unread = || Telling::of([role("d", DELETION)]).held();
        assert_eq!(wrong(unread().deleted().call("d", Reason::Delete, Unreadable)), 0);
        assert_eq!(wrong(unread().closed().deleted().call("d", Reason::Delete, Unreadable)), 1);
    }

    #[test]
    fn the_finalizer_stays_while_a_handler_needs_it() {
        let free = |cue| {
            let told = Telling::of([role("d", cue)]).held().ours(json!({"metadata": {"finalizers": null}}));
            kept_long_enough(&told.history()).len()
        };
        assert_eq!((free(DELETION), free(Cue::Update)), (1, 0));
    }

    #[test]
    fn no_handler_comes_before_the_finalizer() {
        let told = || Telling::of([role("c", Cue::Create), role("d", DELETION)]);
        assert_eq!(early_enough(&told().held().call("c", Reason::Create, Succeeded).history()), []);
        assert_eq!(early_enough(&told().call("c", Reason::Create, Succeeded).history()).len(), 1);
    }
}
