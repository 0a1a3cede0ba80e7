//! Checks of intervals: none is too short.

use super::StartError;
use crate::{
    core::handler::OnChange,
    families::{Family, Handler},
};
use std::time::Duration;

/// The least interval, as the attributes have it.
const LEAST: Duration = Duration::from_millis(1);

/// Checks that a handler isn't to be called all the time.
pub(super) fn check(handler: &Handler) -> Result<(), StartError> {
    let (option, interval) = match &handler.family {
        Family::Timer(timer) => ("interval", Some(timer.schedule.interval)),
        Family::Change(change) => match change.on {
            OnChange::Resume { resync, .. } => ("resync", resync),
            _ => return Ok(()),
        },
        _ => return Ok(()),
    };
    if interval.is_some_and(|interval| interval < LEAST) {
        let (handler, location) = (handler.id().to_owned(), handler.location);
        return Err(StartError::NoInterval { handler, option, location });
    }
    Ok(())
}
