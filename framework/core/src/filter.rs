//! Which objects, and which changes of them, a handler is for (kopf-parity §2).

use super::{
    Reason,
    body::Body,
    diff::{Diff, Field, equal, resolve},
};
use serde_json::Value;
use std::{fmt, sync::Arc};

type Test = Arc<dyn Fn(&Value) -> bool + Send + Sync>;

/// What a value has to be. A null counts as absent.
#[derive(Clone)]
#[non_exhaustive]
pub enum Match {
    /// This very value.
    Is(Value),
    /// Any value.
    Present,
    /// No value.
    Absent,
    /// A value that passes a test, which gets null where there is none.
    Passes(Test),
}

impl Match {
    /// A value that passes this test; it gets null where there is none.
    pub fn passes(test: impl Fn(&Value) -> bool + Send + Sync + 'static) -> Self {
        Self::Passes(Arc::new(test))
    }

    /// Whether a value is as it has to be.
    pub fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Is(wanted) => equal(wanted, value),
            Self::Present => !value.is_null(),
            Self::Absent => value.is_null(),
            Self::Passes(test) => test(value),
        }
    }
}

impl<V: Into<Value>> From<V> for Match {
    fn from(value: V) -> Self {
        Self::Is(value.into())
    }
}

impl fmt::Debug for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(value) => write!(f, "{value}"),
            Self::Present => f.write_str("present"),
            Self::Absent => f.write_str("absent"),
            Self::Passes(_) => f.write_str("passes"),
        }
    }
}

/// What a filter looks at.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The object.
    pub body: &'a Body,
    /// Why handlers would be called; none for a raw event.
    pub reason: Option<Reason>,
    /// The essence that was handled last; null while the object is new.
    pub old: &'a Value,
    /// The object's essence.
    pub new: &'a Value,
    /// From `old` to `new`.
    pub diff: &'a Diff,
}

/// A condition of a handler's own, and conditions made of conditions.
#[derive(Clone)]
pub struct When(Arc<dyn Fn(&Facts<'_>) -> bool + Send + Sync>);

impl When {
    /// A condition.
    pub fn new(condition: impl Fn(&Facts<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(condition))
    }

    /// Where the condition doesn't hold.
    #[must_use]
    pub fn not(condition: impl Into<Self>) -> Self {
        let condition = condition.into();
        Self::new(move |facts| !condition.holds(facts))
    }

    /// Where all of them hold.
    #[must_use]
    pub fn all(conditions: impl IntoIterator<Item: Into<Self>>) -> Self {
        let conditions: Vec<Self> = conditions.into_iter().map(Into::into).collect();
        Self::new(move |facts| conditions.iter().all(|condition| condition.holds(facts)))
    }

    /// Where one of them holds.
    #[must_use]
    pub fn any(conditions: impl IntoIterator<Item: Into<Self>>) -> Self {
        let conditions: Vec<Self> = conditions.into_iter().map(Into::into).collect();
        Self::new(move |facts| conditions.iter().any(|condition| condition.holds(facts)))
    }

    /// Where none of them holds.
    #[must_use]
    pub fn none(conditions: impl IntoIterator<Item: Into<Self>>) -> Self {
        Self::not(Self::any(conditions))
    }

    /// Whether the condition holds.
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        (self.0)(facts)
    }
}

impl<F: Fn(&Facts<'_>) -> bool + Send + Sync + 'static> From<F> for When {
    fn from(condition: F) -> Self {
        Self::new(condition)
    }
}

impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("when")
    }
}

/// All conditions of a handler; all must hold.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Filter {
    /// What labels have to be.
    pub labels: Vec<(String, Match)>,
    /// What annotations have to be.
    pub annotations: Vec<(String, Match)>,
    /// The field that the handler is about.
    pub field: Option<Field>,
    /// What the field has to be, before the change or after it; by default, present.
    pub value: Option<Match>,
    /// What the field has to have been.
    pub old: Option<Match>,
    /// What the field has to be now.
    pub new: Option<Match>,
    /// The last condition, asked when all others hold.
    pub when: Option<When>,
}

impl Filter {
    /// Whether the object is one that the handler is for, whatever has happened to it. Objects that no handler
    /// is for are left as they are: no log, no annotation.
    pub fn concerns(&self, facts: &Facts<'_>) -> bool {
        self.concerns_object(facts) && self.when(facts)
    }

    /// Whether the handler is for this change of the object; `changing`: only if the field differs.
    pub fn selects(&self, facts: &Facts<'_>, changing: bool) -> bool {
        self.concerns_object(facts) && self.change(facts, changing) && self.when(facts)
    }

    fn concerns_object(&self, facts: &Facts<'_>) -> bool {
        let metadata = &facts.body.value()["metadata"];
        let all = |wanted: &[(String, Match)], found: &Value| {
            wanted.iter().all(|(key, wanted)| wanted.holds(found.get(key).unwrap_or(&Value::Null)))
        };
        all(&self.labels, &metadata["labels"])
            && all(&self.annotations, &metadata["annotations"])
            && self.field_value(facts)
    }

    fn field_value(&self, facts: &Facts<'_>) -> bool {
        let Some(field) = &self.field else { return true };
        let wanted = self.value.as_ref().unwrap_or(&Match::Present);
        let now = if facts.reason.is_some() { facts.new } else { facts.body.value() };
        let before = facts.reason.is_some().then_some(facts.old);
        // It may have been so.
        if facts.diff.is_unknown() {
            return true;
        }
        [Some(now), before].into_iter().flatten().any(|whole| wanted.holds(resolve(whole, field.keys())))
    }

    fn change(&self, facts: &Facts<'_>, changing: bool) -> bool {
        let Some(field) = &self.field else { return true };
        let (old, new) = (resolve(facts.old, field.keys()), resolve(facts.new, field.keys()));
        let holds = |wanted: &Option<Match>, value| wanted.as_ref().is_none_or(|wanted| wanted.holds(value));
        let unknown = facts.diff.is_unknown();
        let changed = unknown || !equal(old, new);
        (!changing || changed) && (unknown || holds(&self.old, old)) && holds(&self.new, new)
    }

    fn when(&self, facts: &Facts<'_>) -> bool {
        self.when.as_ref().is_none_or(|when| when.holds(facts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::diff;
    use serde_json::json;

    fn selects(filter: &Filter, old: Value, new: Value, changing: bool) -> bool {
        let body =
            json!({"metadata": {"labels": {"app": "a"}, "annotations": {"note": ""}}, "spec": new["spec"]});
        let (body, difference) = (Body::from(body), diff(&old, &new));
        let reason = Some(Reason::Update);
        filter.selects(&Facts { body: &body, reason, old: &old, new: &new, diff: &difference }, changing)
    }

    fn label(key: &str, wanted: Match) -> Filter {
        Filter { labels: vec![(key.into(), wanted)], ..Filter::default() }
    }

    fn field(wanted: impl Fn(&mut Filter)) -> Filter {
        let mut filter = Filter { field: Some("spec.x".into()), ..Filter::default() };
        wanted(&mut filter);
        filter
    }

    fn x(value: impl Into<Value>) -> Value {
        json!({"spec": {"x": value.into()}})
    }

    #[test]
    fn labels_and_annotations_are_those_of_the_object_now() {
        let annotation = |wanted| Filter { annotations: vec![("note".into(), wanted)], ..Filter::default() };
        let cases = [
            (label("app", "a".into()), true),
            (label("app", "b".into()), false),
            (label("app", Match::Present), true),
            (label("app", Match::Absent), false),
            (label("tier", Match::Present), false),
            (label("tier", Match::Absent), true),
            (label("tier", "a".into()), false),
            (label("app", Match::passes(|value| value == "a")), true),
            (label("tier", Match::passes(Value::is_null)), true),
            (annotation("".into()), true),
            (annotation(Match::Absent), false),
        ];
        for (filter, expected) in cases {
            assert_eq!(selects(&filter, x(1), x(2), false), expected, "{filter:?}");
        }
    }

    #[test]
    fn a_field_has_to_be_as_asked_before_the_change_or_after_it() {
        let cases = [
            (field(|_| ()), x(1), x(2), true),
            (field(|_| ()), x(Value::Null), x(2), true),
            (field(|_| ()), x(Value::Null), x(Value::Null), false),
            (field(|f| f.value = Some(1.into())), x(1), x(2), true),
            (field(|f| f.value = Some(2.into())), x(1), x(2), true),
            (field(|f| f.value = Some(3.into())), x(1), x(2), false),
            (field(|f| f.value = Some(Match::Absent)), x(1), x(Value::Null), true),
            (field(|f| f.value = Some(Match::Absent)), x(1), x(2), false),
            (field(|f| f.old = Some(1.into())), x(1), x(2), true),
            (field(|f| f.old = Some(2.into())), x(1), x(2), false),
            (field(|f| f.new = Some(Match::Absent)), x(1), x(Value::Null), true),
        ];
        for (filter, old, new, expected) in cases {
            assert_eq!(selects(&filter, old.clone(), new.clone(), true), expected, "{filter:?} {old} {new}");
        }
    }

    #[test]
    fn a_handler_for_changes_of_a_field_is_not_for_others() {
        assert!(!selects(&field(|_| ()), x(1), x(1.0), true));
        assert!(selects(&field(|_| ()), x(1), x(1), false));
    }

    #[test]
    fn conditions_combine() {
        let is = |wanted: bool| When::new(move |_| wanted);
        let cases = [
            (When::not(is(true)), false),
            (When::all([is(true), is(false)]), false),
            (When::all([is(true), is(true)]), true),
            (When::any([is(false), is(true)]), true),
            (When::any(Vec::<When>::new()), false),
            (When::none([is(false)]), true),
            (When::none([is(false), is(true)]), false),
        ];
        for (number, (when, expected)) in cases.into_iter().enumerate() {
            let filter = Filter { when: Some(when), ..Filter::default() };
            assert_eq!(selects(&filter, x(1), x(2), false), expected, "case {number}");
        }
    }

    #[test]
    fn a_condition_is_asked_last() {
        let when = Some(When::new(|_| panic!("asked")));
        assert!(!selects(&Filter { when, ..label("app", Match::Absent) }, x(1), x(2), false));
    }
}
