//! Checks of indexes: each is filled by one function, and each that is taken is filled.

use super::StartError;
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
                index: function.contents.to_string(),
                ids: [handler, other].map(|handler| handler.id().to_owned()),
                first: handler.location,
                second: other.location,
            });
        }
    }
    handlers.iter().try_for_each(|handler| filled(handlers, handler))
}

fn filled(handlers: &[Handler], handler: &Handler) -> Result<(), StartError> {
    let is_missing =
        |index: &IndexType| !functions(handlers).any(|(_, function)| function.contents == *index);
    match handler.requirements.indexes().iter().find(|index| is_missing(index)) {
        Some(index) => Err(StartError::MissingIndex {
            handler: handler.id().to_owned(),
            index: index.to_string(),
            location: handler.location,
        }),
        None => Ok(()),
    }
}
