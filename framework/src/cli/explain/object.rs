//! One object: what is stored on it, as a report.

use super::{
    handlers::Families,
    kinds::FoundKind,
    report::{
        Change, Changes, FinalizerReport, HandlerReport, HandlerState, Identity, Next, Replica, Report,
        State, Step,
    },
    words,
};
use crate::{
    core::{
        Reason,
        body::Body,
        cycle::{self, Explanation, Idle, Setup},
        diff::DiffItem,
        patch::Finalizer,
    },
    families::{ChangeFn, Family},
    operator::Inspection,
};
use jiff::Timestamp;
use kube::core::SelectorExt;
use std::collections::BTreeMap;

/// What an object is looked at with.
pub(super) struct Look<'a> {
    pub inspection: &'a Inspection,
    pub found: &'a FoundKind<'a>,
    pub now: Timestamp,
}

impl Look<'_> {
    /// What the operator thinks of an object.
    pub fn at(&self, body: Body, replica: Replica) -> Report {
        let setup = self.setup();
        let families = Families::of(self.inspection, self.found);
        let explanation = cycle::explain(&setup, body.clone(), families.hold(&body), self.now);
        let (state, state_text) = state(&explanation);
        let mut handlers = families.of_changes(&setup, &explanation, self.now);
        handlers.extend(families.others(&body));
        Report {
            object: identity(&body),
            replica,
            state,
            state_text,
            reason: explanation.reason.as_str(),
            next: self.next(&explanation, &handlers),
            changes: changes(&body, &explanation),
            handlers,
            deletion_requested: text(&body, "deletionTimestamp"),
            finalizers: self.finalizers(&setup, &body, &explanation, &families),
            notes: self.notes(&body, &explanation, &families),
        }
    }

    fn setup(&self) -> Setup<ChangeFn> {
        let handlers = self.inspection.registry.handlers().iter();
        let of_kind = handlers.filter(|handler| handler.kind.resource == self.found.kind.resource);
        let changes = of_kind.filter_map(|handler| match &handler.family {
            Family::Change(handler) => Some(handler.clone()),
            _ => None,
        });
        Setup {
            storage: self.inspection.storage.clone(),
            handlers: changes.collect(),
            one_at_a_time: self.inspection.one_at_a_time,
        }
    }

    fn next(&self, explanation: &Explanation<'_>, handlers: &[HandlerReport]) -> Next {
        let due = handlers.iter().filter(|handler| handler.standing == HandlerState::Due);
        let due: Vec<_> = due.map(|handler| handler.id.clone()).collect();
        let (step, until, text) = match &explanation.next {
            cycle::Next::Call if due.is_empty() => {
                (Step::Call, None, "its state is noted as handled; no handler is for that".to_owned())
            }
            cycle::Next::Call => (Step::Call, None, format!("calls {}", due.join(", "))),
            cycle::Next::Wait(until) => {
                (Step::Wait, Some(*until), format!("waits until {}", words::moment(*until, self.now)))
            }
            cycle::Next::Nothing(idle) => (Step::Nothing, None, idle_text(*idle).to_owned()),
            cycle::Next::Unknown(_) => (Step::Nothing, None, "tries again and again".to_owned()),
        };
        let (finalizer, before) = match &explanation.finalizer {
            Some(Finalizer::Add(_)) => (Some("add"), "adds its finalizer, then "),
            Some(Finalizer::Remove(_)) => (Some("remove"), "takes off its finalizer, then "),
            None => (None, ""),
        };
        let until = until.map(|until| until.to_string());
        Next { step, finalizer, handlers: due, until, text: format!("{before}{text}") }
    }

    fn finalizers(
        &self,
        setup: &Setup<ChangeFn>,
        body: &Body,
        explanation: &Explanation<'_>,
        families: &Families<'_>,
    ) -> Vec<FinalizerReport> {
        let held = explanation.handlers.iter().zip(&setup.handlers).filter(|(handler, _)| handler.holds);
        let mut needed_by: Vec<_> = held.map(|(_, handler)| handler.id.clone()).collect();
        needed_by.extend(families.keepers(body));
        let of = |name: &str| {
            let own = name == setup.storage.finalizer();
            let needed_by = if own { needed_by.clone() } else { Vec::new() };
            let text = match (own, needed_by.is_empty()) {
                (false, _) => "not this operator's".to_owned(),
                (true, true) => "this operator's, and nothing needs it".to_owned(),
                (true, false) => format!("this operator's, for {}", needed_by.join(", ")),
            };
            FinalizerReport { name: name.to_owned(), own, needed_by, text }
        };
        body.finalizers().map(of).collect()
    }

    fn notes(&self, body: &Body, explanation: &Explanation<'_>, families: &Families<'_>) -> Vec<String> {
        let mut notes = Vec::new();
        if explanation.copied {
            notes.push(
                "The state on it is another object's, from which it was copied or restored: it is removed, and this one is \
                 handled as a new one."
                    .to_owned(),
            );
        }
        if let Some(selector) = self.unwatched(body) {
            notes.push(format!(
                "The operator asks for objects that match {selector}, and never sees this one."
            ));
        }
        let keepers = families.keepers(body);
        if body.is_deleting() && !keepers.is_empty() {
            notes.push(format!(
                "Delete handlers, and the end of the deletion, wait for {}.",
                keepers.join(", ")
            ));
        }
        notes.extend(explanation.reading.unreadable().iter().map(|entry| format!("{entry}.")));
        notes
    }

    /// The selector that leaves the object out.
    fn unwatched(&self, body: &Body) -> Option<String> {
        let resource = &self.found.kind.resource;
        let mut selectors = self.inspection.selectors.iter();
        let (_, selector) = selectors.find(|(selected, _)| selected == resource)?;
        let labels = body.value()["metadata"]["labels"].as_object().into_iter().flatten();
        let labels: BTreeMap<_, _> =
            labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect();
        (!selector.matches(&labels)).then(|| selector.to_string())
    }
}

fn text(body: &Body, field: &str) -> Option<String> {
    body.value()["metadata"][field].as_str().map(str::to_owned)
}

fn identity(body: &Body) -> Identity {
    let object = body.value();
    let word = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
    Identity {
        api_version: word("apiVersion"),
        kind: word("kind"),
        namespace: body.namespace().map(str::to_owned),
        name: body.name().to_owned(),
        uid: body.uid().to_owned(),
        created: text(body, "creationTimestamp"),
        generation: body.generation(),
        observed_generation: object["status"]["observedGeneration"].as_i64(),
    }
}

fn state(explanation: &Explanation<'_>) -> (State, String) {
    let (state, text) = match (&explanation.next, explanation.reason) {
        (cycle::Next::Unknown(failed), _) => return (State::Unknown, failed.to_string()),
        (cycle::Next::Nothing(Idle::Stealth), _) => (State::Untouched, "no change handler is for it"),
        (cycle::Next::Nothing(Idle::Rejected), _) => (State::Failed, "failed: handlers can't read it"),
        (cycle::Next::Nothing(Idle::Held), _) => {
            (State::Failed, "being deleted, and kept: its delete handlers have failed permanently")
        }
        (_, Reason::Delete) => (State::Deleting, "being deleted"),
        (_, Reason::Create) => (State::New, "new: not handled yet, or not completely"),
        (cycle::Next::Nothing(_), _) => {
            (State::Handled, "handled (done, or failed permanently): nothing has changed since")
        }
        _ => (State::Changed, "changed since it was handled"),
    };
    (state, text.to_owned())
}

fn idle_text(idle: Idle) -> &'static str {
    match idle {
        Idle::Noop => "nothing, until it changes",
        Idle::Rejected | Idle::Held => "nothing, until it changes or the operator starts again",
        Idle::Awaiting => "waits for its daemons to end",
        Idle::Free => "nothing: this operator doesn't keep it",
        Idle::Stealth | Idle::Gone => "nothing",
    }
}

fn changes(body: &Body, explanation: &Explanation<'_>) -> Changes {
    let reading = &explanation.reading;
    let hidden = body.value()["apiVersion"] == "v1" && body.value()["kind"] == "Secret";
    if !reading.handled || reading.diff.is_unknown() {
        return Changes { known: false, hidden, items: Vec::new() };
    }
    let items = reading.diff.iter().map(|item| change(item, hidden));
    Changes { known: true, hidden, items: items.collect() }
}

/// A Secret's values aren't told, wherever they are: what is in its data may be in an annotation, too.
fn change(item: &DiffItem, hidden: bool) -> Change {
    let told = |value: &serde_json::Value| (!hidden && !value.is_null()).then(|| value.clone());
    Change {
        op: item.op.as_str(),
        field: item.field.keys().to_vec(),
        old: told(&item.old),
        new: told(&item.new),
        text: if hidden { "(hidden)".to_owned() } else { words::change(item.op, &item.old, &item.new) },
    }
}
