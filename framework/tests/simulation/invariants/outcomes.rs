//! Outcomes: whatever handlers asked for is on the object in the end.

use crate::{
    asked::asked,
    history::{History, Violation, is_deleting, uid, version},
    record::{Called, Rejected},
    script::Ending,
};
use serde_json::Value;

/// The changes that a recorded success asked for are on the object in the end, and so are those of each event handler's
/// last call; unless something else was asked for since, or the server rejected them as invalid.
pub fn kept(history: &History) -> Vec<Violation> {
    let objects = history.objects.iter().filter(|object| !is_deleting(object));
    let calls = objects.flat_map(|object| history.calls_for(uid(object)).map(move |call| (object, call)));
    let counting = calls.filter(|(_, call)| counts(history, call));
    let mut violations = Vec::new();
    for (object, call) in counting {
        for (path, value) in asked_fields(history, call) {
            let there = at(object, &path);
            let is_there = *there == value || is_asked_later(history, call, &path, there);
            if !is_there && !is_users(history, call, &path) && !is_rejected(history, call, &path, &value) {
                let text = format!("{} of {} has asked for {value} at {path:?}", call.id, uid(object));
                violations.push(Violation(text));
            }
        }
    }
    violations
}

/// Whether the operator must have written what a call asked for.
fn counts(history: &History, call: &Called) -> bool {
    if call.event.is_none() {
        return call.ending == Ending::Succeeded && history.is_recorded(call);
    }
    // In an earlier life, the operator may have died first.
    let last = history.calls_for(call.body.uid()).rfind(|other| other.id == call.id);
    let is_last = last.is_some_and(|last| last.begun == call.begun) && call.life + 1 == history.lives.len();
    is_last && is_still_for(history, call)
}

/// Whether the object has remained one that the handler of a call is for. Edits for an outdated state are dropped, and the
/// handler is called for the newer one only if it is for that one.
fn is_still_for(history: &History, call: &Called) -> bool {
    let mut since =
        history.states_of(call.body.uid()).filter(|(revision, _)| *revision > version(call.body.value()));
    history.role_above(call).is_some_and(|role| since.all(|(_, state)| role.marked(state)))
}

pub(super) type Path = Vec<String>;

fn asked_fields(history: &History, call: &Called) -> Vec<(Path, Value)> {
    let patch = history.role_above(call).map(|role| asked(role, call)).unwrap_or_default();
    let mut fields = Vec::new();
    collect(&patch, &mut Vec::new(), &mut fields);
    fields
}

/// The single values of a merge patch.
pub(super) fn collect(patch: &Value, path: &mut Path, fields: &mut Vec<(Path, Value)>) {
    match patch {
        Value::Object(patch) => patch.iter().for_each(|(key, value)| {
            path.push(key.clone());
            collect(value, path, fields);
            path.pop();
        }),
        Value::Null if path.is_empty() => {}
        value => fields.push((path.clone(), value.clone())),
    }
}

pub(super) fn at<'a>(object: &'a Value, path: &[String]) -> &'a Value {
    path.iter().fold(object, |value, key| &value[key])
}

/// Whether a later call asked for the present value.
fn is_asked_later(history: &History, call: &Called, path: &Path, there: &Value) -> bool {
    let later = |other: &&Called| other.begun != call.begun && other.ended.turn > call.begun.turn;
    let mut later = history.calls_for(call.body.uid()).filter(later);
    later.any(|other| {
        asked_fields(history, other).iter().any(|(asked, value)| (asked, value) == (path, there))
    })
}

/// Whether a user has changed it since.
fn is_users(history: &History, call: &Called, path: &Path) -> bool {
    history.effects_on(call.body.uid()).any(|(ours, effect)| {
        let value = |object: &Option<_>| object.as_deref().map(|object| at(object, path).clone());
        !ours && effect.revision > call.begun.revision && value(&effect.before) != value(&effect.after)
    })
}

/// Whether a request for it was rejected as invalid after the call: then the rest is written without it. Of an object that is
/// too large, nothing is written that handlers ask for.
fn is_rejected(history: &History, call: &Called, path: &Path, value: &Value) -> bool {
    let of_object = |path: &str| path.split('/').any(|part| part == call.body.name());
    let mut since = history.rejected.iter().filter(|rejected| rejected.turn > call.begun.turn);
    since.any(|Rejected { request, too_large, .. }| {
        of_object(&request.path) && (*too_large || at(&request.body, path) == value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        invariants::sample::{Telling, role},
        role::{Cue, Want},
        script::{
            Act, Addition,
            Ending::{Permanent, Succeeded},
            Finale, Script,
        },
    };
    use korf::Reason::Create;
    use serde_json::json;

    fn adding(cue: Cue, addition: Addition) -> Telling {
        let mut adds = role("a", cue);
        adds.script = Script(vec![Act { pauses: Vec::new(), addition, finale: Finale::Succeed }]);
        Telling::of([adds])
    }

    fn labelled(value: Option<&str>) -> Value {
        json!({"metadata": {"labels": {"handled": value}}})
    }

    fn wrong(told: Telling) -> usize {
        kept(&told.history()).len()
    }

    #[test]
    fn what_a_handler_has_added_is_there() {
        let called = |ending| adding(Cue::Create, Addition::Label).call("a", Create, ending);
        assert_eq!(wrong(called(Succeeded).ours(labelled(Some("yes"))).closed()), 0);
        assert_eq!(wrong(called(Succeeded).closed()), 1);
        assert_eq!(wrong(called(Succeeded).ours(labelled(Some("yes"))).closed().ours(labelled(None))), 1);
        assert_eq!(wrong(called(Permanent).closed()), 0);
        assert_eq!(wrong(called(Succeeded).restarted()), 0, "it was not recorded");
    }

    #[test]
    fn what_users_and_later_calls_have_put_there_stays() {
        let called = || adding(Cue::Create, Addition::Label).call("a", Create, Succeeded);
        assert_eq!(wrong(called().ours(labelled(Some("yes"))).closed().user(labelled(Some("no")))), 0);
        let size = |size: u32| json!({"spec": {"size": size}});
        let copied = adding(Cue::Create, Addition::Spec).user(size(1)).call("a", Create, Succeeded).closed();
        assert_eq!(wrong(copied.clone()), 1);
        let again = copied.user(size(2)).call("a", Create, Succeeded);
        assert_eq!(wrong(again.clone().ours(json!({"spec": {"copy": 2}})).closed()), 0);
        assert_eq!(wrong(again.clone().closed()), 2, "neither the first one's nor the second one's");
        assert_eq!(wrong(again.ours(json!({"spec": {"copy": 1}})).closed()), 1);
    }

    #[test]
    fn what_a_handler_has_returned_is_there() {
        let told = |finale| {
            let mut returns = role("a", Cue::Create);
            returns.script = Script(vec![Act { pauses: Vec::new(), addition: Addition::Nothing, finale }]);
            Telling::of([returns]).call("a", Create, Succeeded).closed()
        };
        let result = || told(Finale::Result(json!({"done": true})));
        assert_eq!(wrong(result()), 1);
        assert_eq!(wrong(result().ours(json!({"status": {"a": {"done": true}}}))), 0);
        let status = || told(Finale::Status(json!({"seen": "yes"})));
        assert_eq!(wrong(status()), 1);
        assert_eq!(wrong(status().ours(json!({"status": {"seen": "yes"}}))), 0);
    }

    #[test]
    fn what_the_last_call_of_an_event_handler_has_added_is_there() {
        let heard = || adding(Cue::Event, Addition::Label).hear("a");
        assert_eq!(wrong(heard().ours(labelled(Some("yes")))), 0);
        assert_eq!(wrong(heard()), 1);
        assert_eq!(wrong(heard().restarted()), 0, "the operator has died before it was written");
        assert_eq!(wrong(heard().restarted().hear("a")), 1);
    }

    #[test]
    fn what_an_event_handler_has_added_to_an_object_that_it_is_no_longer_for_is_not_missed() {
        let mut adds = role("a", Cue::Event);
        adds.label = Some(("tier", Want::Is("gold".into())));
        adds.script =
            Script(vec![Act { pauses: Vec::new(), addition: Addition::Label, finale: Finale::Succeed }]);
        let tier = |tier| json!({"metadata": {"labels": {"tier": tier}}});
        let heard = || Telling::of([adds.clone()]).user(tier("gold")).hear("a");
        assert_eq!(wrong(heard().user(tier("silver"))), 0);
        assert_eq!(wrong(heard().user(json!({"spec": {"size": 1}}))), 1);
    }

    #[test]
    fn what_the_server_has_rejected_is_not_missed() {
        let told = adding(Cue::Create, Addition::Label).call("a", Create, Succeeded).closed();
        let mut history = told.history();
        let mut request = history.writes[1].request.clone();
        let cases =
            [("yes", 0, 1, "before it was asked for"), ("no", 9, 1, "another one"), ("yes", 9, 0, "it")];
        for (label, turn, expected, which) in cases {
            request.body = labelled(Some(label));
            history.rejected.push(Rejected { turn, request: request.clone(), too_large: false });
            assert_eq!(kept(&history).len(), expected, "{which}");
        }
        history.rejected = vec![Rejected { turn: 9, request, too_large: true }];
        assert_eq!(kept(&history), [], "the object is too large");
    }
}
