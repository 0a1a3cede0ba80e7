//! Numbers of one kind: its handlers, its writes, its watches. They are looked up without a lock, and are counted where things
//! happen.

use super::{called::Called, histogram::Histogram};
use crate::runtime::write::Fault;
use korf_core::{Part, retry::Outcome};
use std::{
    collections::BTreeMap,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// What is counted of one kind.
#[derive(Debug, Default)]
pub struct KindMetrics {
    title: String,
    /// By their ids. All are known when the kind is.
    handlers: BTreeMap<String, HandlerMetrics>,
    pub(super) writes: WriteMetrics,
    pub(super) restarts: [AtomicU64; Restart::ALL.len()],
}

/// Why a watch begins again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// It failed.
    Failed,
    /// It couldn't go on from where it was: all is listed again.
    Expired,
}

impl Restart {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Failed, Self::Expired];

    /// The value of the label `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
}

/// What is counted of one handler, and of all of its sub-handlers together, whose ids may come from data.
#[derive(Debug, Default)]
struct HandlerMetrics {
    own: Calls,
    subs: Calls,
}

/// By the numbers of what it is called for. What has never happened takes no memory.
type Calls = [OnceLock<Box<RunMetrics>>; Called::COUNT];

/// The runs of a handler for one reason.
#[derive(Debug, Default)]
pub struct RunMetrics {
    outcomes: [AtomicU64; OUTCOMES.len()],
    pub(super) seconds: Histogram,
}

/// The values of the label `outcome` of handlers.
pub const OUTCOMES: [&str; 6] = ["succeeded", "ignored", "retried", "waiting", "failed", "rejected"];

/// The number of an outcome among [`OUTCOMES`].
pub fn number(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Success => 0,
        Outcome::Ignored => 1,
        Outcome::Retry { .. } => 2,
        Outcome::Waiting { .. } | Outcome::Children { .. } => 3,
        Outcome::Failed { .. } => 4,
        Outcome::Rejected { .. } => 5,
    }
}

/// The values of the label `outcome` of writes.
fn write_outcomes() -> impl Iterator<Item = &'static str> {
    ["written"].into_iter().chain(Fault::ALL.map(Fault::as_str))
}

/// The PATCHes of a kind.
#[derive(Debug, Default)]
pub struct WriteMetrics {
    outcomes: [[AtomicU64; 1 + Fault::ALL.len()]; 2],
    pub(super) retries: AtomicU64,
    pub(super) seconds: Histogram,
}

impl RunMetrics {
    /// How often each outcome has come, with its name.
    pub fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        OUTCOMES.into_iter().zip(self.outcomes.iter().map(|count| count.load(Relaxed)))
    }
}

impl WriteMetrics {
    /// How often each outcome has come: part, outcome, count.
    pub fn outcomes(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        ["object", "status"].into_iter().zip(&self.outcomes).flat_map(|(part, counts)| {
            let counts = counts.iter().map(|count| count.load(Relaxed));
            write_outcomes().zip(counts).map(move |(outcome, count)| (part, outcome, count))
        })
    }
}

impl KindMetrics {
    /// A kind with these handlers, and what each is usually called for.
    pub fn new(title: &str, handlers: impl IntoIterator<Item = (String, Vec<Called>)>) -> Self {
        let mut known = BTreeMap::<String, HandlerMetrics>::new();
        for (id, calls) in handlers {
            let handler = known.entry(id).or_default();
            for called in calls {
                handler.own[called.number()].get_or_init(Box::default);
            }
        }
        Self {
            title: title.to_owned(),
            handlers: known,
            writes: WriteMetrics::default(),
            restarts: Default::default(),
        }
    }

    /// Its name, as the log has it.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Takes in that a handler was called.
    pub fn note_run(&self, called: Called, id: &str, outcome: &Outcome, took: Duration) {
        let Some(calls) = self.calls(id) else { return };
        let run = calls[called.number()].get_or_init(Box::default);
        run.outcomes[number(outcome)].fetch_add(1, Relaxed);
        run.seconds.note(took);
    }

    fn calls(&self, id: &str) -> Option<&Calls> {
        if let Some(handler) = self.handlers.get(id) {
            return Some(&handler.own);
        }
        let mut parents = id.rmatch_indices('/').map(|(end, _)| &id[..end]);
        parents.find_map(|parent| self.handlers.get(parent)).map(|handler| &handler.subs)
    }

    /// Takes in what came of a PATCH.
    pub fn note_write(&self, part: Part, fault: Option<Fault>, took: Duration) {
        let outcome = fault.map_or(0, |fault| 1 + fault as usize);
        let part = match part {
            Part::Object => 0,
            Part::Status => 1,
        };
        self.writes.outcomes[part][outcome].fetch_add(1, Relaxed);
        self.writes.seconds.note(took);
    }

    /// Takes in that a PATCH is sent once more.
    pub fn note_retry(&self) {
        self.writes.retries.fetch_add(1, Relaxed);
    }

    /// Takes in that a watch begins again.
    pub fn note_restart(&self, why: Restart) {
        self.restarts[why as usize].fetch_add(1, Relaxed);
    }

    /// The runs of its handlers: handler, reason, runs. Sub-handlers are those of `<id>/*`.
    pub fn runs(&self) -> impl Iterator<Item = (String, &'static str, &RunMetrics)> {
        self.handlers.iter().flat_map(|(id, HandlerMetrics { own, subs })| {
            [(id.clone(), own), (format!("{id}/*"), subs)].into_iter().flat_map(|(id, calls)| {
                let known = Called::all().zip(calls).filter_map(|(called, runs)| Some((called, runs.get()?)));
                known.map(move |(called, runs)| (id.clone(), called.as_str(), &**runs))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use korf_core::Reason;

    const CREATED: Called = Called::Change(Reason::Create);

    /// The names of all series with runs, and how many.
    fn runs(kind: &KindMetrics) -> Vec<(String, &'static str, u64)> {
        kind.runs()
            .map(|(id, reason, runs)| (id, reason, runs.outcomes().map(|(_, count)| count).sum()))
            .collect()
    }

    #[test]
    fn sub_handlers_are_counted_under_their_handler_whatever_their_ids() {
        let handlers = ["make", "make/spec.size", "made"].map(|id| (id.to_owned(), vec![CREATED]));
        let kind = KindMetrics::new("lights.v1.korf.dev", handlers);
        for id in ["make", "make/a", "make/b/c", "make/spec.size", "make/spec.size/x", "unknown", "mad"] {
            kind.note_run(CREATED, id, &Outcome::Success, Duration::ZERO);
        }
        let expected =
            [("made", 0), ("make", 1), ("make/*", 2), ("make/spec.size", 1), ("make/spec.size/*", 1)];
        assert_eq!(runs(&kind), expected.map(|(id, count)| (id.to_owned(), "create", count)));
    }

    #[test]
    fn what_has_not_happened_yet_is_zero_for_the_usual_reasons_alone() {
        let kind = KindMetrics::new("lights.v1.korf.dev", [("make".to_owned(), vec![CREATED])]);
        assert_eq!(runs(&kind), [("make".to_owned(), "create", 0)]);
        kind.note_run(Called::Change(Reason::Update), "make", &Outcome::Success, Duration::ZERO);
        assert_eq!(runs(&kind).len(), 2);
    }

    #[test]
    fn each_write_has_one_outcome() {
        let kind = KindMetrics::new("lights.v1.korf.dev", []);
        kind.note_write(Part::Status, None, Duration::ZERO);
        kind.note_write(Part::Object, Some(Fault::Conflict), Duration::ZERO);
        kind.note_write(Part::Object, Some(Fault::Transient), Duration::ZERO);
        let counted: Vec<_> = kind.writes.outcomes().filter(|(.., count)| *count > 0).collect();
        assert_eq!(
            counted,
            [("object", "unavailable", 1), ("object", "conflict", 1), ("status", "written", 1)]
        );
    }
}
