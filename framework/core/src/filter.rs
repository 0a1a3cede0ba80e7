//! Filters of handlers: conditions on the object and on its change, as in Kopf.

mod impossible;
mod selector;
mod unmet;

pub use impossible::{check_annotation, check_field, check_label};
pub use selector::{InvalidSelector, selector};
pub use unmet::Unmet;

use crate::{
    Reason,
    body::Body,
    diff::{Diff, Field, equal, resolve},
};
use serde_json::Value;
use std::{fmt, sync::Arc};

type Test = Arc<dyn Fn(&Value) -> bool + Send + Sync>;

/// A condition on a value. Null counts as absent.
#[derive(Clone)]
#[non_exhaustive]
pub enum Match {
    /// This very value.
    Is(Value),
    /// Any value.
    Present,
    /// No value.
    Absent,
    /// One of these values.
    OneOf(Vec<Value>),
    /// None of these values, or no value.
    NoneOf(Vec<Value>),
    /// A value that passes a test. The test gets null where there is no value.
    Passes(Test),
}

impl Match {
    /// A value that passes this test. The test gets null where there is no value.
    pub fn passes(test: impl Fn(&Value) -> bool + Send + Sync + 'static) -> Self {
        Self::Passes(Arc::new(test))
    }

    /// Whether a value fulfils the condition.
    pub fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Is(wanted) => equal(wanted, value),
            Self::Present => !value.is_null(),
            Self::Absent => value.is_null(),
            Self::OneOf(wanted) => wanted.iter().any(|wanted| equal(wanted, value)),
            Self::NoneOf(others) => !others.iter().any(|other| equal(other, value)),
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
            Self::OneOf(values) => write!(f, "one of {}", Value::from(values.clone())),
            Self::NoneOf(values) => write!(f, "none of {}", Value::from(values.clone())),
            Self::Passes(_) => f.write_str("passes"),
        }
    }
}

/// The input of a filter.
#[derive(Clone, Copy, Debug)]
pub struct FilterInput<'a> {
    /// The object.
    pub body: &'a Body,
    /// The change for which change handlers would be called; none for event handlers and timers.
    pub change: Option<ChangeInput<'a>>,
}

/// The change of an object that a filter looks at.
#[derive(Clone, Copy, Debug)]
pub struct ChangeInput<'a> {
    /// The reason for which they would be called.
    pub reason: Reason,
    /// The essence that was handled last; none while the object is new, and where it isn't known.
    pub old: Option<&'a Arc<Value>>,
    /// The object's essence.
    pub new: &'a Arc<Value>,
    /// From `old` to `new`.
    pub diff: &'a Diff,
}

impl ChangeInput<'_> {
    fn old(&self) -> &Value {
        self.old.map_or(&Value::Null, |old| old)
    }
}

/// A condition of a handler's own: whether it holds, or why it can't be evaluated for this object.
#[derive(Clone)]
pub struct When(Arc<Condition>);

type Condition = dyn Fn(&FilterInput<'_>) -> Result<bool, String> + Send + Sync;

impl When {
    /// A condition.
    pub fn new(condition: impl Fn(&FilterInput<'_>) -> Result<bool, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(condition))
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
    /// Conditions on labels.
    pub labels: Vec<(String, Match)>,
    /// Conditions on annotations.
    pub annotations: Vec<(String, Match)>,
    /// The field for which the handler is called.
    pub field: Option<Field>,
    /// The condition on the field, before or after the change; by default, it is present.
    pub value: Option<Match>,
    /// The condition on the field before the change.
    pub old: Option<Match>,
    /// The condition on the field now.
    pub new: Option<Match>,
    /// The last condition, evaluated if all others hold.
    pub when: Option<When>,
}

impl Filter {
    /// Whether the filter selects the object, whatever its change. Objects that no handler selects are left as they
    /// are: no log, no annotation.
    ///
    /// # Errors
    /// The condition can't be evaluated for this object.
    pub fn concerns(&self, input: &FilterInput<'_>) -> Result<bool, String> {
        Ok(self.unmet(input)?.is_none())
    }

    /// Whether the filter selects this change of the object; `changing`: only if its field differs, or, without one, anything.
    ///
    /// # Errors
    /// The condition can't be evaluated for this object.
    pub fn selects(&self, input: &FilterInput<'_>, changing: bool) -> Result<bool, String> {
        Ok(self.unmet_by_change(input, changing)?.is_none())
    }

    /// The first condition that an object doesn't fulfil, whatever its change; none if the filter selects it.
    ///
    /// # Errors
    /// The condition can't be evaluated for this object.
    pub fn unmet(&self, input: &FilterInput<'_>) -> Result<Option<Unmet<'_>>, String> {
        self.or_when(self.object(input), input)
    }

    /// The first condition that a change of an object doesn't fulfil, as [`selects`](Self::selects) sees it.
    ///
    /// # Errors
    /// The condition can't be evaluated for this object.
    pub fn unmet_by_change(
        &self,
        input: &FilterInput<'_>,
        changing: bool,
    ) -> Result<Option<Unmet<'_>>, String> {
        self.or_when(self.object(input).or_else(|| self.change(input, changing)), input)
    }

    fn object(&self, input: &FilterInput<'_>) -> Option<Unmet<'_>> {
        let metadata = &input.body.value()["metadata"];
        let label = unmet_entry(&self.labels, &metadata["labels"]);
        let label = label.map(|(key, wanted)| Unmet::Label(key, wanted));
        let annotation = || unmet_entry(&self.annotations, &metadata["annotations"]);
        label
            .or_else(|| annotation().map(|(key, wanted)| Unmet::Annotation(key, wanted)))
            .or_else(|| self.field_value(input))
    }

    fn field_value(&self, input: &FilterInput<'_>) -> Option<Unmet<'_>> {
        let field = self.field.as_ref()?;
        let wanted = self.value.as_ref().unwrap_or(&Match::Present);
        let holds = |whole| wanted.holds(resolve(whole, field.keys()));
        let is_met = match &input.change {
            None => holds(input.body.value()),
            // The unknown old value may have fulfilled the condition.
            Some(change) if change.diff.is_unknown() => true,
            Some(change) => holds(change.new) || holds(change.old()),
        };
        (!is_met).then_some(Unmet::Field(field, wanted))
    }

    fn change(&self, input: &FilterInput<'_>, changing: bool) -> Option<Unmet<'_>> {
        let change = input.change.as_ref()?;
        let Some(field) = &self.field else {
            return (changing && change.diff.is_empty()).then_some(Unmet::Unchanged(None));
        };
        let (old, new) = (resolve(change.old(), field.keys()), resolve(change.new, field.keys()));
        let unknown = change.diff.is_unknown();
        if changing && !unknown && equal(old, new) {
            return Some(Unmet::Unchanged(Some(field)));
        }
        let unmet_old = self.old.as_ref().filter(|wanted| !unknown && !wanted.holds(old));
        let unmet_new = || self.new.as_ref().filter(|wanted| !wanted.holds(new));
        unmet_old
            .map(|wanted| Unmet::Old(field, wanted))
            .or_else(|| unmet_new().map(|wanted| Unmet::New(field, wanted)))
    }

    /// The condition of the handler's own comes last.
    fn or_when<'a>(
        &'a self,
        unmet: Option<Unmet<'a>>,
        input: &FilterInput<'_>,
    ) -> Result<Option<Unmet<'a>>, String> {
        match (unmet, &self.when) {
            (None, Some(When(when))) => Ok((!when(input)?).then_some(Unmet::When)),
            (unmet, _) => Ok(unmet),
        }
    }
}

fn unmet_entry<'a>(wanted: &'a [(String, Match)], found: &Value) -> Option<(&'a str, &'a Match)> {
    let unmet = wanted.iter().find(|(key, wanted)| !wanted.holds(found.get(key).unwrap_or(&Value::Null)));
    unmet.map(|(key, wanted)| (key.as_str(), wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::diff;
    use serde_json::json;

    fn selects(filter: &Filter, old: Value, new: Value, changing: bool) -> bool {
        let body =
            json!({"metadata": {"labels": {"app": "a"}, "annotations": {"note": ""}}, "spec": new["spec"]});
        let (body, diff) = (Body::from(body), diff(&old, &new));
        let (old, new) = (Arc::new(old), Arc::new(new));
        let change = ChangeInput { reason: Reason::Update, old: Some(&old), new: &new, diff: &diff };
        filter.selects(&FilterInput { body: &body, change: Some(change) }, changing).unwrap()
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
    fn a_handler_of_a_field_selects_only_changes_of_it() {
        assert!(!selects(&field(|_| ()), x(1), x(1.0), true));
        assert!(selects(&field(|_| ()), x(1), x(1), false));
    }

    #[test]
    fn a_function_is_evaluated_last() {
        let when = Some(When::new(|_| panic!("evaluated")));
        assert!(!selects(&Filter { when, ..label("app", Match::Absent) }, x(1), x(2), false));
    }
}
