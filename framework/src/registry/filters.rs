//! Checks of filters: each could match an object.

use super::StartError;
use crate::{
    core::{
        diff::equal,
        essence::kept,
        filter::{Filter, Match},
        storage::Storage,
    },
    families::{Family, Handler},
};
use serde_json::Value;

/// Checks that a filter is complete, and that there may be an object that it matches.
pub(super) fn check(handler: &Handler) -> Result<(), StartError> {
    let filter = handler.filter();
    let Filter { field, value, old, new, .. } = filter;
    let is_asked = value.is_some() || old.is_some() || new.is_some();
    let problem = if let Some(mistake) = &handler.mistake {
        for_no_object(mistake)
    } else if field.is_none() && handler.called_for() == "field" {
        "is for a field, but names none: give it a `field`".to_owned()
    } else if field.is_none() && is_asked {
        "has a `value`, `old` or `new`, but of no field: give it a `field`".to_owned()
    } else if value.is_some() && (old.is_some() || new.is_some()) {
        "has a `value` (before or after a change) together with `old` or `new`: leave one of them out"
            .to_owned()
    } else if let Err(why) = filter.check() {
        for_no_object(&why)
    } else {
        return Ok(());
    };
    Err(mistake(handler, problem))
}

/// Checks that the field of a change handler is part of the essence, with such values: nothing else is a change for it.
pub(super) fn check_essence(handler: &Handler, storage: &Storage) -> Result<(), StartError> {
    let (Family::Change(_), Some(field)) = (&handler.family, &handler.filter().field) else { return Ok(()) };
    let resource = &handler.kind.resource;
    let kept = |value: &Value| kept(&resource.api_version, &resource.kind, field, value, storage);
    let Filter { value, old, new, .. } = handler.filter();
    let mut conditions = [value, old, new].into_iter().flatten();
    let why = if kept(&"a value".into()).is_null() {
        format!(
            "`{field}` is no part of the essence, whose changes it is called for, since the system or an operator writes \
             it: take `on_event`"
        )
    } else if conditions.any(|wanted| is_never(wanted, |value| equal(&kept(value), value))) {
        format!(
            "change handlers get the essence, where `{field}` is never such a value (of a Secret's data, it has \
             digests): take a condition, `when = …`"
        )
    } else {
        return Ok(());
    };
    Err(mistake(handler, for_no_object(&why)))
}

/// Whether a condition names values, and the essence has none of them.
fn is_never(wanted: &Match, is_kept: impl Fn(&Value) -> bool) -> bool {
    match wanted {
        Match::Is(value) => !is_kept(value),
        Match::OneOf(values) => !values.iter().any(is_kept),
        _ => false,
    }
}

fn for_no_object(why: &str) -> String {
    format!("is not for any object: {why}")
}

fn mistake(handler: &Handler, problem: String) -> StartError {
    StartError::Filter { handler: handler.id().to_owned(), problem, location: handler.location }
}
