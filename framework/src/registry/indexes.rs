//! Checks of indexes: one function fills each, and each that is taken is filled.

use super::{StartError, registrant::Registrant};
use crate::{
    extract::IndexType,
    families::{Family, Handler, IndexHandler},
};

/// The index functions, each with its handler.
pub(super) fn functions(handlers: &[Handler]) -> impl Iterator<Item = (&Handler, &IndexHandler)> {
    handlers.iter().filter_map(|handler| match &handler.family {
        Family::Index(function) => Some((handler, function)),
        _ => None,
    })
}

/// Checks that no two functions fill one index, unless they are one function for several kinds.
pub(super) fn check(handlers: &[Handler]) -> Result<(), StartError> {
    for (handler, function) in functions(handlers) {
        let same = |(_, other): &(&Handler, &IndexHandler)| {
            other.contents == function.contents && other.id != function.id
        };
        if let Some((other, _)) = functions(handlers).find(same) {
            return Err(StartError::TwoIndexes {
                index: function.contents.to_string().into(),
                ids: [handler, other].map(|handler| handler.id().to_owned()),
                first: handler.location,
                second: other.location,
            });
        }
    }
    Ok(())
}

/// Checks that each index is filled that a handler or an activity takes.
pub(super) fn check_filled(handlers: &[Handler], taker: &Registrant<'_>) -> Result<(), StartError> {
    let is_missing =
        |index: &IndexType| !functions(handlers).any(|(_, function)| function.contents == *index);
    match taker.requirements.indexes().iter().find(|index| is_missing(index)) {
        Some(index) => Err(StartError::MissingIndex {
            handler: taker.id.to_owned(),
            index: index.to_string(),
            location: taker.location,
        }),
        None => Ok(()),
    }
}
