//! What of the handlers' filters can be asked of the API server, so that it doesn't even send the other objects.

use super::{
    filter::Match,
    syntax::{is_key, is_label_value},
    task::{Task, Trigger},
};
use serde_json::Value;
use std::collections::BTreeSet;

/// What a label has to be, in words that the API server knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Term {
    /// It has this value.
    Equals(String, String),
    /// It is there.
    Exists(String),
    /// It isn't there.
    Absent(String),
}

/// The conditions that all handlers of a kind have in common; none where the server has to send everything.
///
/// An object that no longer fits a selector is out of sight, and nobody would take our finalizer off it. So there is no
/// selector where a deletion handler keeps objects back. Whether one did so before, nobody here can know.
pub fn selector(tasks: &[Task]) -> BTreeSet<Term> {
    if tasks.iter().any(|task| matches!(task.on, Trigger::Delete { optional: false, .. })) {
        return BTreeSet::new();
    }
    let common = tasks.iter().map(terms).reduce(|common, terms| &common & &terms).unwrap_or_default();
    let implied = |term: &Term| match term {
        Term::Exists(key) => {
            common.iter().any(|other| matches!(other, Term::Equals(known, _) if known == key))
        }
        Term::Equals(..) | Term::Absent(_) => false,
    };
    common.iter().filter(|term| !implied(term)).cloned().collect()
}

/// All that a handler's filter says of labels, and what follows from it, as far as the API server understands it: what it
/// refuses would keep the watch from beginning.
fn terms(task: &Task) -> BTreeSet<Term> {
    let labels = task.filter.labels.iter().filter(|(key, _)| is_key(key));
    labels.flat_map(|(key, wanted)| of_label(key, wanted)).collect()
}

fn of_label(key: &str, wanted: &Match) -> Vec<Term> {
    let (equals, exists) = (|value: &str| Term::Equals(key.into(), value.into()), Term::Exists(key.into()));
    match wanted {
        Match::Is(Value::String(value)) if is_label_value(value) => vec![equals(value), exists],
        // Any other value is no label's: nothing matches, and the server needn't be told.
        Match::Is(_) | Match::Passes(_) => vec![],
        Match::Present => vec![exists],
        Match::Absent => vec![Term::Absent(key.into())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{filter::Filter, retry::Limits};

    /// The label conditions of each.
    type Handlers<'a> = &'a [&'a [(&'a str, Match)]];

    fn task(on: Trigger, labels: &[(&str, Match)]) -> Task {
        let labels = labels.iter().map(|(key, wanted)| ((*key).to_owned(), wanted.clone())).collect();
        Task {
            id: "fn".into(),
            on,
            filter: Filter { labels, ..Filter::default() },
            limits: Limits::default(),
        }
    }

    fn of(handlers: Handlers<'_>) -> Vec<Term> {
        let tasks: Vec<_> = handlers.iter().map(|labels| task(Trigger::Create, labels)).collect();
        selector(&tasks).into_iter().collect()
    }

    fn equals(key: &str, value: &str) -> Term {
        Term::Equals(key.into(), value.into())
    }

    #[test]
    fn what_all_handlers_ask_of_labels_is_asked_of_the_server() {
        let is = |value: &str| Match::from(value);
        let (exists, absent) = (|key: &str| Term::Exists(key.into()), |key: &str| Term::Absent(key.into()));
        let test = Match::passes(|value| value == "a");
        let cases: [(Handlers<'_>, Vec<Term>); 12] = [
            (&[], vec![]),
            (&[&[("app", is("a"))]], vec![equals("app", "a")]),
            (&[&[("app", is("a")), ("tier", Match::Absent)]], vec![equals("app", "a"), absent("tier")]),
            (&[&[("app", is("a")), ("tier", is("b"))], &[("app", is("a"))]], vec![equals("app", "a")]),
            (&[&[("app", is("a"))], &[("app", is("b"))]], vec![exists("app")]),
            (&[&[("app", is("a"))], &[("app", Match::Present)]], vec![exists("app")]),
            (&[&[("app", is("a"))], &[("app", Match::Absent)]], vec![]),
            (&[&[("app", is("a"))], &[]], vec![]),
            (&[&[("app", test)]], vec![]),
            (&[&[("app", is(""))]], vec![equals("app", "")]),
            // Refused by the API server, if it were asked for.
            (&[&[("app", is("a b"))]], vec![]),
            (&[&[("a b", Match::Present), ("x.y/app_1", Match::Present)]], vec![exists("x.y/app_1")]),
        ];
        for (handlers, expected) in cases {
            assert_eq!(of(handlers), expected, "{handlers:?}");
        }
    }

    #[test]
    fn where_objects_are_kept_for_a_deletion_handler_all_of_them_are_watched() {
        let delete = |optional| Trigger::Delete { optional, lets_go: false };
        let labels = [("app", Match::from("a"))];
        let tasks = |optional| [task(Trigger::Create, &labels), task(delete(optional), &labels)];
        assert!(selector(&tasks(false)).is_empty());
        assert_eq!(selector(&tasks(true)), [equals("app", "a")].into());
    }
}
