//! Deletions that failed permanently, and are tried again.

use crate::{
    history::{History, Violation, is_deleting, uid, version},
    invariants::outcomes::{at, collect},
    record::Called,
    role::Role,
    script::Ending,
};
use korf::Reason;
use serde_json::Value;

/// A delete handler that keeps an object because it failed permanently has seen the object's final state, in the
/// operator's last life: any change of the object, and any start, tries again.
pub fn again(history: &History) -> Vec<Violation> {
    let held = history.objects.iter().filter(|object| is_deleting(object) && history.world.holds(object));
    let missed = |object| {
        let keeps = history.world.roles.iter().filter(|role| role.deletion() == Some((false, false)));
        keeps.filter_map(|role| check(history, role, object)).collect::<Vec<_>>()
    };
    held.flat_map(|object| missed(object)).collect()
}

fn check(history: &History, role: &Role, object: &Value) -> Option<Violation> {
    // It may time out before it can be called.
    if role.limits.timeout.is_some() || !role.concerns(&history.world, object) {
        return None;
    }
    let last = history.calls_for(uid(object)).rfind(|call| call.id == role.id)?;
    let failed = last.reason == Some(Reason::Delete)
        && last.ending != Ending::Succeeded
        && role.is_done_after(last.attempt, last.ending) == Some(true);
    let why = if last.life + 1 != history.lives.len() {
        "since the last start"
    } else if is_changed_since(history, last, &history.world.essence(object)) {
        "since the last change"
    } else {
        return None;
    };
    failed.then(|| Violation(format!("{} of {} was not tried again {why}", role.id, uid(object))))
}

/// Whether users have changed the essence since a call, and not reverted that. The handlers' own changes are no reason to
/// call them again.
fn is_changed_since(history: &History, call: &Called, last: &Value) -> bool {
    let seen = version(call.body.value());
    let essence = |object: &Option<_>| object.as_deref().map(|object| history.world.essence(object));
    let by_users = |path: &[String]| {
        let value = |object: &Option<_>| essence(object).map(|essence| at(&essence, path).clone());
        let mut since = history.effects_on(call.body.uid()).filter(|(_, effect)| effect.revision > seen);
        since.any(|(ours, effect)| !ours && value(&effect.before) != value(&effect.after))
    };
    let mut fields = Vec::new();
    [last, &*call.new].iter().for_each(|essence| collect(essence, &mut Vec::new(), &mut fields));
    let mut changed = fields.iter().filter(|(path, _)| at(last, path) != at(&call.new, path));
    changed.any(|(path, _)| by_users(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        invariants::sample::{DELETION, Telling, role, x},
        script::Ending::{Permanent, Succeeded, Temporary},
    };
    use Reason::Delete;
    use serde_json::json;

    fn deleted(ending: Ending) -> Telling {
        Telling::of([role("d", DELETION)]).held().closed().deleted().call("d", Delete, ending)
    }

    fn wrong(told: Telling) -> usize {
        again(&told.history()).len()
    }

    #[test]
    fn a_change_tries_again() {
        assert_eq!(wrong(deleted(Permanent)), 0);
        assert_eq!(wrong(deleted(Permanent).user(x(2))), 1);
        assert_eq!(wrong(deleted(Permanent).user(x(2)).call("d", Delete, Permanent)), 0);
    }

    #[test]
    fn the_handlers_own_changes_are_no_reason() {
        assert_eq!(wrong(deleted(Permanent).ours(x(2))), 0);
        assert_eq!(wrong(deleted(Permanent).ours(x(2)).user(json!({"spec": {"y": 1}}))), 1);
        assert_eq!(wrong(deleted(Permanent).user(x(2)).user(x(1))), 0);
    }

    #[test]
    fn a_start_tries_again() {
        assert_eq!(wrong(deleted(Permanent).restarted()), 1);
        assert_eq!(wrong(deleted(Permanent).restarted().call("d", Delete, Permanent)), 0);
    }

    #[test]
    fn only_a_permanent_failure_is_to_be_tried_again() {
        assert_eq!([Succeeded, Temporary].map(|ending| wrong(deleted(ending).user(x(2)))), [0, 0]);
    }
}
