//! Indexes show what is there, and are filled before all handlers.

use crate::{
    catalog::{ALL, Shown},
    history::{History, Violation, uid},
    record::Called,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// In the end, the index is what all objects make of nothing.
pub fn equals_the_listing(history: &History) -> Vec<Violation> {
    let Some(catalog) = &history.world.catalog else { return Vec::new() };
    let mut objects: Vec<_> = history.objects.iter().collect();
    objects.sort_by_key(|object| object["metadata"]["name"].to_string());
    let mut expected = BTreeMap::<_, Vec<_>>::new();
    for (key, value) in objects.into_iter().flat_map(|object| catalog.entries(object)) {
        expected.entry(key).or_default().push(value);
    }
    let expected: Shown = expected.into_iter().collect();
    let differs = expected != history.shown;
    differs
        .then(|| Violation(format!("{:?} is shown, and {expected:?} is there", history.shown)))
        .into_iter()
        .collect()
}

/// A handler finds each object in the index that was there from the operator's start on.
pub fn filled_first(history: &History) -> Vec<Violation> {
    if history.world.catalog.is_none() {
        return Vec::new();
    }
    let uids: Vec<_> = history.uids().collect();
    let calls = history.calls.iter();
    let missing = calls.flat_map(|call| {
        let missing = uids.iter().filter(move |uid| {
            was_there(history, call, uid) && !call.indexed.iter().any(|known| known == *uid)
        });
        missing.map(|uid| {
            Violation(format!("{} is called at {}, and {uid} is not in the index", call.id, call.at))
        })
    });
    missing.collect()
}

/// Whether an object was there, and in the index, from the operator's start to the call.
fn was_there(history: &History, call: &Called, of: &str) -> bool {
    let Some(catalog) = &history.world.catalog else { return false };
    let Some(life) = history.lives.get(call.life) else { return false };
    let (start, end) = (life.begun.revision, call.begun.revision);
    let effects: Vec<_> = history.effects_on(of).map(|(_, effect)| effect).collect();
    let upto = |revision| effects.partition_point(|effect| effect.revision <= revision);
    // From the last state before the start on.
    let Some(first) = upto(start).checked_sub(1) else { return false };
    let is_in = |object: &Value| !catalog.entries(object).is_empty();
    effects[first..upto(end)].iter().all(|effect| effect.after.as_deref().is_some_and(is_in))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalog::Catalog,
        invariants::sample::{Telling, role, x},
        role::Cue,
        script::Ending::Succeeded,
    };
    use korf::Reason::Create;
    use serde_json::json;

    fn told(telling: Telling) -> History {
        let mut history = telling.history();
        history.world.catalog = Some(Catalog::default());
        history
    }

    #[test]
    fn an_index_that_shows_another_state_is_found() {
        let mut history = told(Telling::of([]).user(x(2)));
        assert_eq!(equals_the_listing(&history).len(), 1, "it is empty");
        let (uid, version) = (
            uid(&history.objects[0]).to_owned(),
            history.objects[0]["metadata"]["resourceVersion"].to_string(),
        );
        history.shown =
            vec![(ALL.into(), vec![uid.clone()]), ("size null".into(), vec![format!("{uid} {version}")])];
        assert_eq!(equals_the_listing(&history), []);
        history.shown[1].1[0].push('0');
        assert_eq!(equals_the_listing(&history).len(), 1, "another version");
        history.objects.clear();
        assert_eq!(equals_the_listing(&history).len(), 1, "it is gone");
    }

    #[test]
    fn a_handler_that_is_called_before_the_index_is_filled_is_found() {
        let create = || Telling::of([role("c", Cue::Create)]).restarted();
        let mut history = told(create().call("c", Create, Succeeded));
        assert_eq!(filled_first(&history).len(), 1);
        history.calls[0].indexed = vec![uid(&history.objects[0]).to_owned()];
        assert_eq!(filled_first(&history), []);
        let later = told(Telling::of([role("c", Cue::Create)]).call("c", Create, Succeeded));
        assert_eq!(filled_first(&later), [], "it was not there at the start");
        let broken = json!({"spec": {"broken": true}});
        let broken = told(create().user(broken).call("c", Create, Succeeded));
        assert_eq!(filled_first(&broken), [], "it can't be read");
    }
}
