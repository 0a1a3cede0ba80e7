//! Handlers of one object: where each of them stands, in words.

use super::{
    kinds::FoundKind,
    report::{HandlerReport, HandlerState},
    words,
};
use crate::{
    core::{
        body::Body,
        cycle::{Explanation, HandlerExplanation, Setup, Standing},
        daemon::Hold,
        filter::{Filter, FilterInput, Unmet},
        handler::{FilterFailed, OnChange, evaluate_with},
        progress::Record,
    },
    families::{ChangeFn, ChangeHandler, DaemonHandler, Family, Handler},
    operator::Inspection,
    runtime::is_report,
};
use jiff::Timestamp;

/// The handlers that may be for objects of one kind, in the order of the source.
pub(super) struct Families<'a>(Vec<&'a Handler>);

impl<'a> Families<'a> {
    pub fn of(inspection: &'a Inspection, found: &FoundKind<'_>) -> Self {
        let resource = &found.kind.resource;
        let is_of_any = |handler: &Handler| match &handler.family {
            Family::Event(handler) => handler.kinds.as_ref().is_some_and(|kinds| {
                kinds.may_have(resource) && kinds.has_one_of(&found.categories) && !is_report(resource)
            }),
            _ => false,
        };
        let is_meant = |handler: &&Handler| handler.kind.resource == *resource || is_of_any(handler);
        Self(inspection.registry.handlers().iter().filter(is_meant).collect())
    }

    fn daemons(&self) -> impl Iterator<Item = &DaemonHandler> {
        self.0.iter().filter_map(|handler| match &handler.family {
            Family::Daemon(daemon) => Some(daemon),
            _ => None,
        })
    }

    /// Whether the daemons need the finalizer. Whether those of an object that is being deleted still run, only the operator
    /// knows.
    pub fn hold(&self, body: &Body) -> Hold {
        if body.is_deleting() || self.keepers(body).is_empty() { Hold::None } else { Hold::Needed }
    }

    /// The ids of the daemons that keep the object.
    pub fn keepers(&self, body: &Body) -> Vec<String> {
        let keeps = |daemon: &&DaemonHandler| {
            daemon.options.finalizer && matches!(verdict(&daemon.id, &daemon.filter, body), Ok(None))
        };
        self.daemons().filter(keeps).map(|daemon| format!("{} (if it runs)", daemon.id)).collect()
    }

    /// The change handlers.
    pub fn of_changes(
        &self,
        setup: &Setup<ChangeFn>,
        explanation: &Explanation<'_>,
        now: Timestamp,
    ) -> Vec<HandlerReport> {
        let all = setup.handlers.iter().zip(&explanation.handlers);
        all.map(|(handler, explained)| change(handler, explained, now)).collect()
    }

    /// All others.
    pub fn others(&self, body: &Body) -> Vec<HandlerReport> {
        let others = self.0.iter().filter(|handler| !matches!(handler.family, Family::Change(_)));
        others.map(|handler| over_time(handler, body)).collect()
    }
}

/// The condition for which a handler that knows no changes isn't for an object.
fn verdict<'a>(id: &str, filter: &'a Filter, body: &Body) -> Result<Option<Unmet<'a>>, FilterFailed> {
    evaluate_with(id, || filter.unmet(&FilterInput { body, change: None }))
}

fn report(on: &'static str, id: &str, standing: HandlerState, text: String) -> HandlerReport {
    HandlerReport {
        on,
        id: id.to_owned(),
        standing,
        text,
        attempt: None,
        attempts: None,
        due: None,
        message: None,
        sub_handlers: Vec::new(),
    }
}

fn unselected(unmet: Unmet<'_>) -> (HandlerState, String) {
    (HandlerState::Unselected, format!("not for this object: {unmet}"))
}

/// An event handler, a timer, a daemon or an index function.
fn over_time(handler: &Handler, body: &Body) -> HandlerReport {
    let (standing, text) = match verdict(handler.id(), handler.filter(), body) {
        Err(failed) => (HandlerState::Unknown, failed.to_string()),
        Ok(Some(unmet)) => unselected(unmet),
        Ok(None) => activity(handler, body.is_deleting()),
    };
    report(handler.called_for(), handler.id(), standing, text)
}

fn activity(handler: &Handler, deleting: bool) -> (HandlerState, String) {
    let text = match &handler.family {
        Family::Timer(_) | Family::Daemon(_) if deleting => {
            return (HandlerState::Uncalled, "ended: the object is being deleted".to_owned());
        }
        Family::Timer(timer) => format!("called every {:?}", timer.schedule.interval),
        Family::Daemon(daemon) if daemon.options.finalizer => {
            "runs, and keeps the object until it has ended".to_owned()
        }
        Family::Daemon(_) => "runs, unless it has ended by itself".to_owned(),
        Family::Related(related) => format!("gives turns to objects of kind {}", related.target.kind),
        Family::Index(_) => "puts the object into its index".to_owned(),
        Family::Event(_) | Family::Change(_) => "called for each event".to_owned(),
    };
    (HandlerState::Active, text)
}

fn change(handler: &ChangeHandler, explained: &HandlerExplanation<'_>, now: Timestamp) -> HandlerReport {
    let record = match &explained.standing {
        Standing::Due { record, .. } => record.as_ref(),
        Standing::Waiting { record, .. } | Standing::Succeeded(record) | Standing::Failed(record) => {
            Some(record)
        }
        _ => None,
    };
    let (standing, text) = told(handler, &explained.standing, now);
    let mut told = report(handler.on.as_str(), &handler.id, standing, text);
    if matches!(standing, HandlerState::Due | HandlerState::Waiting) {
        told.attempt = Some(record.map_or(0, |record| record.retries).saturating_add(1));
        told.attempts = handler.limits.retries;
    }
    told.due = match &explained.standing {
        Standing::Waiting { due, .. } => Some(due.to_string()),
        _ => None,
    };
    told.message = record.and_then(|record| record.message.clone());
    told.sub_handlers = explained.subs.iter().map(|(id, record)| sub(id, record, now)).collect();
    told
}

fn told(handler: &ChangeHandler, standing: &Standing<'_>, now: Timestamp) -> (HandlerState, String) {
    let most = handler.limits.retries;
    match standing {
        Standing::Unselected(unmet) => unselected(*unmet),
        Standing::Unknown(failed) => (HandlerState::Unknown, failed.to_string()),
        Standing::Uncalled => (HandlerState::Uncalled, occasion(handler.on)),
        Standing::Unchanged(unmet) => (HandlerState::Uncalled, format!("not called: {unmet}")),
        Standing::Shared => (HandlerState::Uncalled, "not called: another handler of this id is".to_owned()),
        Standing::Due { limit: Some(limit), .. } => (HandlerState::Due, format!("fails now: it {limit}")),
        Standing::Due { record: None, .. } => (HandlerState::Due, "called now".to_owned()),
        Standing::Due { record: Some(record), .. } => {
            (HandlerState::Due, format!("called now: {}", attempt(record, most)))
        }
        Standing::Later => (HandlerState::Later, "called after the others".to_owned()),
        Standing::Waiting { due, record } => {
            let due = words::moment(*due, now);
            (HandlerState::Waiting, format!("waits until {due}: {}", attempt(record, most)))
        }
        Standing::Succeeded(record) => (HandlerState::Succeeded, format!("done{}", end(record, now))),
        Standing::Failed(record) => failed(record, now),
    }
}

/// The occasion that a handler is for, where it isn't called.
fn occasion(on: OnChange) -> String {
    match on {
        OnChange::Create => "not called: only for new objects".to_owned(),
        OnChange::Update => "not called: only for changes".to_owned(),
        OnChange::Delete { optional: true, .. } => {
            "called for the deletion, if something else keeps the object".to_owned()
        }
        OnChange::Delete { .. } => "called for the deletion".to_owned(),
        OnChange::Resume { resync: Some(resync), .. } => {
            format!("called when the operator starts, for triggers, and every {resync:?}")
        }
        OnChange::Resume { .. } => "called when the operator starts, and for triggers".to_owned(),
        _ => "not called".to_owned(),
    }
}

fn failed(record: &Record, now: Timestamp) -> (HandlerState, String) {
    let message = words::message(record.message.as_deref().unwrap_or("no message"));
    if record.rejected {
        (HandlerState::Rejected, format!("can't read the object: {message}"))
    } else {
        (HandlerState::Failed, format!("failed permanently{}: {message}", end(record, now)))
    }
}

fn end(record: &Record, now: Timestamp) -> String {
    record.stopped.map(|stopped| format!(", {}", words::moment(stopped, now))).unwrap_or_default()
}

/// `attempt 2 of 5, after: no route`; `attempt 2, waiting: no volume yet`.
fn attempt(record: &Record, most: Option<u32>) -> String {
    let of = most.map(|most| format!(" of {most}")).unwrap_or_default();
    let since = if record.waits { "waiting" } else { "after" };
    let why = record.message.as_deref().map(|message| format!(", {since}: {}", words::message(message)));
    format!("attempt {}{of}{}", record.retries.saturating_add(1), why.unwrap_or_default())
}

fn sub(id: &str, record: &Record, now: Timestamp) -> HandlerReport {
    let due = record.next_due().filter(|due| *due > now);
    let (standing, text) = match due {
        _ if record.success => (HandlerState::Succeeded, format!("done{}", end(record, now))),
        _ if record.failure => failed(record, now),
        Some(due) => {
            let due = words::moment(due, now);
            (HandlerState::Waiting, format!("waits until {due}: {}", attempt(record, None)))
        }
        None => (HandlerState::Due, format!("called now: {}", attempt(record, None))),
    };
    let mut told = report("sub", id, standing, text);
    if !record.is_finished() {
        told.attempt = Some(record.retries.saturating_add(1));
    }
    told.due = due.map(|due| due.to_string());
    told.message.clone_from(&record.message);
    told
}
