mod found;
mod subs;

use super::*;
use crate::core::{
    filter::{Filter, Match},
    patch::{Part, Patch},
    retry::{Backoff, Errors, Limits, Outcome},
    task::Trigger,
};
use jiff::SignedDuration;
use serde_json::json;
use std::time::Duration;

const FINALIZER: &str = "kopf.zalando.org/KopfFinalizerMarker";
const PREFIX: &str = "kopf.zalando.org";

/// One object and the kind's handlers, with the API server's part played by merge patches: enough to walk
/// through whole cycles.
struct World {
    setup: Setup,
    /// A listing showed the object first, and it wasn't handled to the end since.
    initial: bool,
    eager: bool,
    object: Value,
    version: u64,
    now: Timestamp,
    /// Patches of the object so far.
    writes: usize,
}

fn task(id: &str, reason: Reason) -> Task {
    let on = match reason {
        Reason::Create => Trigger::Create,
        Reason::Update => Trigger::Update,
        Reason::Delete => Trigger::Delete { optional: false, lets_go: false },
        Reason::Resume => Trigger::Resume { deleted: false },
    };
    let limits = Limits { backoff: Backoff::Constant(Duration::from_secs(10)), ..Limits::default() };
    Task { id: id.into(), on, filter: Filter::default(), limits }
}

fn retry() -> Outcome {
    Outcome::Retry { after: Duration::from_secs(10), message: "not yet".into() }
}

fn gave_up() -> Outcome {
    Outcome::GaveUp { message: "never".into() }
}

fn unreadable() -> Outcome {
    Outcome::Unreadable { message: "what is this".into() }
}

impl World {
    fn new(tasks: impl IntoIterator<Item = Task>) -> Self {
        Self {
            setup: Setup {
                storage: Storage::kopf(),
                tasks: tasks.into_iter().collect(),
                one_at_a_time: false,
            },
            initial: false,
            eager: false,
            object: json!({"apiVersion": "korf.dev/v1", "kind": "Thing",
                           "metadata": {"name": "a", "namespace": "n", "uid": "u"}, "spec": {"x": 1}}),
            version: 1,
            now: "2026-11-22T14:53:30Z".parse().unwrap(),
            writes: 0,
        }
    }

    fn handled(tasks: impl IntoIterator<Item = Task>) -> Self {
        let mut world = Self::new(tasks);
        world.turn(Look::First, &|_| Outcome::Success);
        world.writes = 0;
        world
    }

    fn body(&self) -> Body {
        let mut object = self.object.clone();
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        object.into()
    }

    /// Somebody sets `spec.x`.
    fn set(&mut self, x: u64) {
        self.object["spec"]["x"] = x.into();
        self.version += 1;
    }

    fn delete(&mut self) {
        self.object["metadata"]["deletionTimestamp"] = "2026-11-22T15:00:00Z".into();
        self.version += 1;
    }

    fn write(&mut self, patch: &Patch) {
        if let Some(request) = patch.request(Part::Object, &self.body(), false) {
            let mut merge = request.patch;
            merge["metadata"].as_object_mut().unwrap().remove("resourceVersion");
            json_patch::merge(&mut self.object, &merge);
            self.version += 1;
            self.writes += 1;
        }
    }

    /// Plans and acts until there is nothing more to do now; says what was called, with the `x` that it saw
    /// (and the old one), and how it ended.
    fn turn(&mut self, mut look: Look, outcome: &dyn Fn(&str) -> Outcome) -> Vec<String> {
        let mut trace = Vec::new();
        for _ in 0..20 {
            match plan(&self.setup, &self.body(), self.sight(look), self.now) {
                Plan::Rest(rest) => {
                    trace.push(format!("{rest:?}"));
                    return trace;
                }
                Plan::Wait(until) => {
                    trace.push(format!("wait {}", until.duration_since(self.now).as_secs()));
                    return trace;
                }
                Plan::Write(change) => self.write(&Patch::of_finalizer(change)),
                Plan::Run(cycle) => {
                    trace.extend(cycle.ready.iter().map(|ready| self.seen(&cycle, *ready)));
                    let outcomes: Vec<_> = cycle
                        .ready
                        .iter()
                        .map(|ready| Done {
                            ready: *ready,
                            outcome: outcome(&self.setup.tasks[ready.task].id),
                            subs: Vec::new(),
                        })
                        .collect();
                    let (patch, end) = cycle.settle(&self.setup, &self.body(), &outcomes, self.now);
                    self.write(&patch);
                    self.initial &= !end.is_settled();
                    trace.push(described(&end));
                    look = Look::Again;
                }
            }
        }
        panic!("it never ends: {trace:?}");
    }

    fn sight(&self, look: Look) -> Sight {
        Sight { gone: false, look, initial: self.initial, rearmed: look == Look::Changed, eager: self.eager }
    }

    fn seen(&self, cycle: &Cycle, ready: Ready) -> String {
        let x = |essence: &Value| essence["spec"]["x"].to_string();
        let old = cycle.old.as_deref().map(|old| format!("{}→", x(old))).unwrap_or_default();
        format!("{} {old}{} #{}", self.setup.tasks[ready.task].id, x(&cycle.new), ready.attempt.before)
    }

    fn wait(&mut self, seconds: i64) {
        self.now = self.now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
    }

    fn annotations(&self) -> Vec<String> {
        let annotations = self.object["metadata"]["annotations"].as_object();
        annotations
            .into_iter()
            .flat_map(|map| map.keys().map(|key| key.replace(&format!("{PREFIX}/"), "")))
            .collect()
    }

    fn finalizers(&self) -> &Value {
        &self.object["metadata"]["finalizers"]
    }
}

fn described(end: &End) -> String {
    match end {
        End::Open(due) => format!("open {}", due.as_secs()),
        End::Processed(Counts { succeeded, failed, .. }) => format!("processed {succeeded}/{failed}"),
        End::Refused(Counts { succeeded, failed, .. }) => format!("refused {succeeded}/{failed}"),
        End::Held(Counts { succeeded, failed, .. }) => format!("held {succeeded}/{failed}"),
        end => format!("{end:?}"),
    }
}

fn succeed(_: &str) -> Outcome {
    Outcome::Success
}

#[test]
fn a_new_object_gets_its_finalizer_before_its_handlers_and_is_done_with_two_writes() {
    let mut world = World::new([task("c", Reason::Create), task("d", Reason::Delete)]);
    assert_eq!(world.turn(Look::First, &succeed), ["c 1 #0", "processed 1/0", "Noop"]);
    assert_eq!(world.writes, 2);
    assert_eq!(world.finalizers(), &json!([FINALIZER]));
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn a_finalizer_that_no_handler_needs_goes() {
    let mut world = World::new([task("c", Reason::Create)]);
    world.object["metadata"]["finalizers"] = json!(["other", FINALIZER]);
    world.turn(Look::First, &succeed);
    assert_eq!(world.finalizers(), &json!(["other"]));
}

#[test]
fn an_update_and_a_deletion_are_one_write_each() {
    let tasks = [task("c", Reason::Create), task("u", Reason::Update), task("d", Reason::Delete)];
    let mut world = World::handled(tasks);
    world.set(2);
    assert_eq!(world.turn(Look::Changed, &succeed), ["u 1→2 #0", "processed 1/0", "Noop"]);
    assert_eq!(world.writes, 1);
    world.delete();
    assert_eq!(world.turn(Look::Changed, &succeed), ["d 2→2 #0", "processed 1/0", "Free"]);
    assert_eq!((world.writes, world.finalizers()), (2, &json!([])));
}

#[test]
fn handlers_of_one_change_run_in_one_cycle_and_one_write() {
    let mut world = World::new([task("a", Reason::Create), task("b", Reason::Create)]);
    assert_eq!(world.turn(Look::First, &succeed), ["a 1 #0", "b 1 #0", "processed 2/0", "Noop"]);
    assert_eq!(world.writes, 1);
}

#[test]
fn a_change_that_nobody_handles_is_only_noted() {
    let mut world = World::handled([task("c", Reason::Create)]);
    world.set(2);
    assert_eq!(world.turn(Look::Changed, &succeed), ["Skipped", "Noop"]);
    assert_eq!(world.writes, 1);
}

#[test]
fn a_retry_waits_for_its_time_and_counts_on_over_a_restart() {
    let mut world = World::new([task("c", Reason::Create)]);
    assert_eq!(world.turn(Look::First, &|_| retry()), ["c 1 #0", "open 10", "wait 10"]);
    world.wait(4);
    assert_eq!(world.turn(Look::First, &succeed), ["wait 6"]);
    world.wait(6);
    assert_eq!(world.turn(Look::Again, &succeed), ["c 1 #1", "processed 1/0", "Noop"]);
    assert_eq!(world.writes, 2);
}

#[test]
fn a_handler_that_is_done_is_not_called_again_for_the_one_that_is_not() {
    let mut world = World::new([task("a", Reason::Create), task("b", Reason::Create)]);
    let b_fails = |id: &str| if id == "b" { retry() } else { Outcome::Success };
    assert_eq!(world.turn(Look::First, &b_fails), ["a 1 #0", "b 1 #0", "open 10", "wait 10"]);
    world.wait(10);
    assert_eq!(world.turn(Look::First, &succeed), ["b 1 #1", "processed 2/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn a_change_in_mid_cycle_is_an_update_for_those_that_were_done_before_it() {
    let tasks = [task("a", Reason::Create), task("b", Reason::Create), task("u", Reason::Update)];
    let mut world = World::new(tasks);
    let b_fails = |id: &str| if id == "b" { retry() } else { Outcome::Success };
    world.turn(Look::First, &b_fails);
    world.set(2);
    world.wait(10);
    let trace = world.turn(Look::Changed, &succeed);
    assert_eq!(trace, ["b 2 #1", "processed 2/0", "u 1→2 #0", "processed 1/0", "Noop"]);
}

#[test]
fn what_kopf_has_ended_is_no_basis_of_the_next_update() {
    let tasks = [task("a", Reason::Create), task("b", Reason::Create), task("u", Reason::Update)];
    let mut world = World::new(tasks);
    let b_fails = |id: &str| if id == "b" { retry() } else { Outcome::Success };
    world.turn(Look::First, &b_fails);
    // Kopf ends it: it forgets all records, notes what was handled, and leaves what it doesn't know.
    let annotations = world.object["metadata"]["annotations"].as_object_mut().unwrap();
    annotations.retain(|key, _| key == &format!("{PREFIX}/korf-basis"));
    let handled = json!({"spec": {"x": 1}}).to_string();
    annotations.insert(format!("{PREFIX}/last-handled-configuration"), handled.into());
    world.set(2);
    assert_eq!(world.turn(Look::First, &succeed), ["u 1→2 #0", "processed 1/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn what_kopf_has_ended_is_no_basis_of_an_update_that_kopf_has_begun() {
    let tasks = [task("a", Reason::Create), task("b", Reason::Create)];
    let mut world = World::new(tasks.into_iter().chain(["u", "v"].map(|id| task(id, Reason::Update))));
    world.turn(Look::First, &|id| if id == "b" { retry() } else { Outcome::Success });
    let annotations = world.object["metadata"]["annotations"].as_object_mut().unwrap();
    annotations.retain(|key, _| key == &format!("{PREFIX}/korf-basis"));
    let handled = json!({"spec": {"x": 1}}).to_string();
    annotations.insert(format!("{PREFIX}/last-handled-configuration"), handled.into());
    let done = json!({"started": "2026-11-22T14:53:31Z", "stopped": "2026-11-22T14:53:31Z", "purpose": "update",
                      "retries": 1, "success": true, "failure": false});
    annotations.insert(format!("{PREFIX}/u"), done.to_string().into());
    world.set(2);
    assert_eq!(world.turn(Look::First, &succeed), ["v 1→2 #0", "processed 2/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn a_change_reverted_in_mid_cycle_leaves_no_progress_and_is_handled_once_more() {
    let mut world = World::handled([task("u", Reason::Update), task("v", Reason::Update)]);
    let v_fails = |id: &str| if id == "v" { retry() } else { Outcome::Success };
    world.set(2);
    world.turn(Look::Changed, &v_fails);
    world.set(1);
    world.wait(10);
    let trace = world.turn(Look::Changed, &succeed);
    assert_eq!(trace, ["v 1→1 #1", "processed 2/0", "u 2→1 #0", "v 2→1 #0", "processed 2/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn a_change_reverted_after_a_failed_attempt_runs_the_handler_once_more() {
    let mut world = World::handled([task("u", Reason::Update)]);
    world.set(2);
    world.turn(Look::Changed, &|_| retry());
    world.set(1);
    world.wait(10);
    assert_eq!(world.turn(Look::Changed, &succeed), ["u 1→1 #1", "processed 1/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn a_failure_for_good_counts_as_handled_and_the_next_change_calls_again() {
    let mut world = World::handled([task("u", Reason::Update)]);
    world.set(2);
    assert_eq!(world.turn(Look::Changed, &|_| gave_up()), ["u 1→2 #0", "processed 0/1", "Noop"]);
    world.set(3);
    assert_eq!(world.turn(Look::Changed, &succeed), ["u 2→3 #0", "processed 1/0", "Noop"]);
}

#[test]
fn a_deletion_supersedes_a_creation_that_is_not_done() {
    let mut world = World::new([task("c", Reason::Create), task("d", Reason::Delete)]);
    world.turn(Look::First, &|_| retry());
    world.delete();
    let plan = plan(&world.setup, &world.body(), world.sight(Look::Changed), world.now);
    let Plan::Run(cycle) = plan else { panic!("{plan:?}") };
    let counts = Counts { succeeded: 0, failed: 0, running: 1 };
    assert_eq!(cycle.superseded, Some((Reason::Create, counts)));
    assert_eq!(world.turn(Look::Changed, &succeed), ["d 1 #0", "processed 1/0", "Free"]);
    assert_eq!(world.annotations(), [] as [&str; 0]);
}

#[test]
fn one_id_for_creation_and_deletion_is_called_for_both() {
    let mut world =
        World::new([task("x", Reason::Create), task("y", Reason::Create), task("x", Reason::Delete)]);
    let y_fails = |id: &str| if id == "y" { retry() } else { Outcome::Success };
    world.turn(Look::First, &y_fails);
    world.delete();
    assert_eq!(world.turn(Look::Changed, &succeed), ["x 1 #0", "processed 1/0", "Free"]);
}

#[test]
fn a_deletion_that_failed_for_good_keeps_the_object_until_it_changes_or_a_restart() {
    let mut world = World::handled([task("d", Reason::Delete), task("e", Reason::Delete)]);
    let e_fails = |id: &str| if id == "e" { gave_up() } else { Outcome::Success };
    world.delete();
    assert_eq!(world.turn(Look::Changed, &e_fails), ["d 1→1 #0", "e 1→1 #0", "held 1/1", "Held"]);
    assert_eq!(world.finalizers(), &json!([FINALIZER]));
    assert_eq!(world.turn(Look::Again, &succeed), ["Held"]);
    assert_eq!(world.turn(Look::First, &e_fails), ["e 1→1 #0", "held 1/1", "Held"]);
    world.set(2);
    assert_eq!(world.turn(Look::Changed, &succeed), ["e 1→2 #0", "processed 2/0", "Free"]);
}

#[test]
fn what_cannot_be_read_waits_for_a_change_and_does_not_become_the_diff_base() {
    let mut world = World::handled([task("u", Reason::Update)]);
    world.set(2);
    assert_eq!(world.turn(Look::Changed, &|_| unreadable()), ["u 1→2 #0", "refused 0/1", "Refused"]);
    assert_eq!(world.turn(Look::Changed, &succeed), ["Refused"]);
    world.set(3);
    assert_eq!(world.turn(Look::Changed, &succeed), ["u 1→3 #0", "processed 1/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn what_could_not_be_read_is_tried_again_after_a_restart_and_written_only_if_that_says_something_new() {
    let mut world = World::new([task("c", Reason::Create)]);
    world.turn(Look::First, &|_| unreadable());
    let writes = world.writes;
    world.wait(100);
    assert_eq!(world.turn(Look::First, &|_| unreadable()), ["c 1 #0", "refused 0/1", "Refused"]);
    assert_eq!(world.writes, writes);
    assert_eq!(world.turn(Look::First, &succeed), ["c 1 #0", "processed 1/0", "Noop"]);
}

#[test]
fn a_change_that_could_not_be_read_and_was_taken_back_is_over() {
    let mut world = World::handled([task("u", Reason::Update)]);
    world.set(2);
    world.turn(Look::Changed, &|_| unreadable());
    world.set(1);
    assert_eq!(world.turn(Look::Changed, &succeed), ["u 1→1 #0", "processed 1/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn a_refused_essence_is_no_basis_of_what_comes_after_it() {
    let mut world = World::handled([task("u", Reason::Update)]);
    world.set(2);
    world.turn(Look::Changed, &|_| unreadable());
    world.set(3);
    world.turn(Look::Changed, &|_| retry());
    world.wait(10);
    assert_eq!(world.turn(Look::Again, &succeed), ["u 1→3 #1", "processed 1/0", "Noop"]);
}

#[test]
fn handlers_that_saw_less_than_what_was_refused_are_called_for_it_too() {
    let mut world = World::handled([task("u", Reason::Update), task("v", Reason::Update)]);
    let v = |outcome: fn() -> Outcome| move |id: &str| if id == "v" { outcome() } else { Outcome::Success };
    world.set(2);
    world.turn(Look::Changed, &v(retry));
    world.set(3);
    world.wait(10);
    let trace = world.turn(Look::Changed, &v(unreadable));
    assert_eq!(trace, ["v 1→3 #1", "Restart", "u 1→3 #0", "v 1→3 #0", "refused 1/1", "Refused"]);
}

#[test]
fn an_object_that_no_handler_could_ever_read_is_let_go() {
    let mut world = World::new([task("c", Reason::Create), task("d", Reason::Delete)]);
    world.turn(Look::First, &|_| unreadable());
    world.delete();
    assert_eq!(world.turn(Look::Changed, &|_| unreadable()), ["d 1 #0", "Released", "Free"]);
}

#[test]
fn an_object_that_handlers_were_called_for_is_not_let_go_unread() {
    let mut world = World::new([task("c", Reason::Create), task("d", Reason::Delete)]);
    world.turn(Look::First, &|_| retry());
    world.delete();
    for look in [Look::Changed, Look::First] {
        assert_eq!(world.turn(look, &|_| unreadable()), ["d 1 #0", "held 0/1", "Held"]);
    }
}

#[test]
fn an_ignored_error_counts_as_done() {
    let ignoring =
        Task { limits: Limits { errors: Errors::Ignored, ..Limits::default() }, ..task("c", Reason::Create) };
    let mut world = World::new([ignoring]);
    assert_eq!(world.turn(Look::First, &|_| Outcome::Ignored), ["c 1 #0", "processed 1/0", "Noop"]);
}

#[test]
fn an_object_that_is_gone_asks_for_nothing() {
    let world = World::new([task("c", Reason::Create), task("d", Reason::Delete)]);
    let plan = plan(&world.setup, &world.body(), Sight { gone: true, ..world.sight(Look::First) }, world.now);
    assert!(matches!(plan, Plan::Rest(Rest::Gone)), "{plan:?}");
}

fn resuming() -> Task {
    task("r", Reason::Resume)
}

fn of_label(id: &str, reason: Reason) -> Task {
    let labels = vec![("app".to_owned(), Match::Present)];
    Task { filter: Filter { labels, ..Filter::default() }, ..task(id, reason) }
}

fn of_field(id: &str, on: Trigger, field: &str) -> Task {
    Task { on, filter: Filter { field: Some(field.into()), ..Filter::default() }, ..task(id, Reason::Update) }
}

#[test]
fn what_was_handled_before_is_resumed_once_after_a_start() {
    let mut world = World::handled([task("c", Reason::Create), resuming()]);
    assert_eq!(world.turn(Look::Changed, &succeed), ["Noop"]);
    world.initial = true;
    assert_eq!(world.turn(Look::First, &succeed), ["r 1→1 #0", "processed 1/0", "Noop"]);
    assert_eq!(world.writes, 0);
}

#[test]
fn resuming_is_mixed_into_an_update_but_never_into_a_creation_nor_by_itself_into_a_deletion() {
    let always = Task { id: "s".into(), on: Trigger::Resume { deleted: true }, ..resuming() };
    let mut world = World::new([
        resuming(),
        always,
        task("c", Reason::Create),
        task("u", Reason::Update),
        task("d", Reason::Delete),
    ]);
    world.initial = true;
    assert_eq!(world.turn(Look::First, &succeed), ["c 1 #0", "processed 1/0", "Noop"]);
    (world.initial, world.object["spec"]["x"]) = (true, 2.into());
    assert_eq!(
        world.turn(Look::First, &succeed),
        ["r 1→2 #0", "s 1→2 #0", "u 1→2 #0", "processed 3/0", "Noop"]
    );
    world.initial = true;
    world.delete();
    assert_eq!(world.turn(Look::First, &succeed), ["s 2→2 #0", "d 2→2 #0", "processed 2/0", "Free"]);
}

#[test]
fn a_resuming_that_is_not_done_goes_on_in_an_update() {
    let mut world = World::handled([resuming(), task("u", Reason::Update)]);
    world.initial = true;
    assert_eq!(world.turn(Look::First, &|_| retry()), ["r 1→1 #0", "open 10", "wait 10"]);
    world.set(2);
    world.wait(10);
    assert_eq!(world.turn(Look::Changed, &succeed), ["r 1→2 #1", "u 1→2 #0", "processed 2/0", "Noop"]);
}

#[test]
fn an_object_that_no_handler_is_for_is_left_as_it_is_and_is_new_when_one_is() {
    let mut world = World::new([of_label("c", Reason::Create), of_label("d", Reason::Delete)]);
    assert_eq!(world.turn(Look::First, &succeed), ["Stealth"]);
    assert_eq!(world.writes, 0);
    world.object["metadata"]["labels"] = json!({"app": "x"});
    assert_eq!(world.turn(Look::Changed, &succeed), ["c 1 #0", "processed 1/0", "Noop"]);
    assert_eq!(world.finalizers(), &json!([FINALIZER]));
    world.object["metadata"]["labels"] = json!({});
    assert_eq!(world.turn(Look::Changed, &succeed), ["Stealth"]);
    assert_eq!(world.finalizers(), &json!([]));
}

#[test]
fn a_handler_of_a_field_is_called_for_any_change_of_it_creation_included() {
    let mut world =
        World::new([of_field("f", Trigger::Field, "spec.x"), of_field("g", Trigger::Field, "spec.y")]);
    assert_eq!(world.turn(Look::First, &succeed), ["f 1 #0", "processed 1/0", "Noop"]);
    world.object["spec"]["y"] = 7.into();
    assert_eq!(world.turn(Look::Changed, &succeed), ["g 1→1 #0", "processed 1/0", "Noop"]);
    world.set(2);
    assert_eq!(world.turn(Look::Changed, &succeed), ["f 1→2 #0", "processed 1/0", "Noop"]);
}

#[test]
fn a_field_outside_the_spec_is_part_of_the_essence_once_a_handler_is_for_it() {
    let mut world = World::handled([of_field("f", Trigger::Field, "status.phase")]);
    world.object["status"] = json!({"phase": "Running", "other": 1});
    assert_eq!(world.turn(Look::Changed, &succeed), ["f 1 #0", "processed 1/0", "Noop"]);
    world.object["status"]["other"] = 2.into();
    assert_eq!(world.turn(Look::Changed, &succeed), ["Noop"]);
}

#[test]
fn an_optional_deletion_handler_does_not_keep_the_object() {
    let optional =
        Task { on: Trigger::Delete { optional: true, lets_go: false }, ..task("o", Reason::Delete) };
    let mut world = World::new([optional.clone()]);
    world.turn(Look::First, &succeed);
    assert_eq!(world.finalizers(), &Value::Null);
    let mut world = World::handled([optional, task("d", Reason::Delete)]);
    world.delete();
    let o_fails = |id: &str| if id == "o" { gave_up() } else { Outcome::Success };
    assert_eq!(world.turn(Look::Changed, &o_fails), ["o 1→1 #0", "d 1→1 #0", "processed 1/1", "Free"]);
}

#[test]
fn a_deletion_handler_may_let_the_object_go_when_it_fails_for_good() {
    let letting =
        Task { on: Trigger::Delete { optional: false, lets_go: true }, ..task("d", Reason::Delete) };
    let mut world = World::handled([letting]);
    world.delete();
    assert_eq!(world.turn(Look::Changed, &|_| gave_up()), ["d 1→1 #0", "processed 0/1", "Free"]);
}

#[test]
fn one_at_a_time_stores_the_progress_after_each_handler() {
    let mut world = World::new([task("a", Reason::Create), task("b", Reason::Create)]);
    world.setup.one_at_a_time = true;
    assert_eq!(world.turn(Look::First, &succeed), ["a 1 #0", "open 0", "b 1 #0", "processed 2/0", "Noop"]);
    assert_eq!(world.writes, 2);
}

#[test]
fn of_several_handlers_with_one_id_one_is_called() {
    let task = |on| Task { on, ..task("f", Reason::Create) };
    let mut world = World::new([
        task(Trigger::Create),
        task(Trigger::Resume { deleted: true }),
        task(Trigger::Update),
        task(Trigger::Delete { optional: false, lets_go: false }),
    ]);
    assert_eq!(world.turn(Look::First, &succeed), ["f 1 #0", "processed 1/0", "Noop"]);
    world.initial = true;
    assert_eq!(world.turn(Look::First, &succeed), ["f 1→1 #0", "processed 1/0", "Noop"]);
    (world.initial, world.object["spec"]["x"]) = (true, 2.into());
    assert_eq!(world.turn(Look::First, &succeed), ["f 1→2 #0", "processed 1/0", "Noop"]);
    world.initial = true;
    world.delete();
    assert_eq!(world.turn(Look::First, &succeed), ["f 2→2 #0", "processed 1/0", "Free"]);
}

#[test]
fn a_change_of_the_essence_ends_the_wait_for_the_next_attempt() {
    let mut world = World::new([task("c", Reason::Create)]);
    world.turn(Look::First, &|_| retry());
    world.set(2);
    world.eager = true;
    assert_eq!(world.turn(Look::Changed, &succeed), ["c 2 #1", "processed 1/0", "Noop"]);
}

#[test]
fn one_handler_that_cannot_read_the_object_does_not_keep_the_others_from_it() {
    let mut world =
        World::new([task("a", Reason::Create), task("b", Reason::Create), task("c", Reason::Create)]);
    let outcomes = |b: fn() -> Outcome| {
        move |id: &str| match id {
            "a" => unreadable(),
            "b" => b(),
            _ => Outcome::Success,
        }
    };
    let trace = world.turn(Look::First, &outcomes(retry));
    assert_eq!(trace, ["a 1 #0", "b 1 #0", "c 1 #0", "open 10", "wait 10"]);
    world.wait(10);
    let trace = world.turn(Look::First, &outcomes(|| Outcome::Success));
    assert_eq!(trace, ["a 1 #0", "b 1 #1", "refused 2/1", "Refused"]);
}

#[test]
fn a_failed_deletion_that_fails_again_for_the_same_reason_writes_nothing() {
    let mut world = World::handled([task("d", Reason::Delete)]);
    world.delete();
    world.turn(Look::Changed, &|_| gave_up());
    let writes = world.writes;
    world.wait(100);
    assert_eq!(world.turn(Look::Changed, &|_| gave_up()), ["d 1→1 #0", "held 0/1", "Held"]);
    assert_eq!(world.writes, writes);
}

#[test]
fn a_change_of_a_field_reverted_after_a_failed_attempt_runs_its_handler_once_more() {
    let mut world =
        World::handled([of_field("f", Trigger::Field, "spec.x"), of_field("u", Trigger::Update, "spec.x")]);
    world.set(2);
    assert_eq!(world.turn(Look::Changed, &|_| retry()), ["f 1→2 #0", "u 1→2 #0", "open 10", "wait 10"]);
    world.set(1);
    world.wait(10);
    assert_eq!(world.turn(Look::Changed, &succeed), ["f 1→1 #1", "u 1→1 #1", "processed 2/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn all_failed_deletion_handlers_are_tried_again_though_one_at_a_time() {
    let mut world = World::handled([task("d", Reason::Delete), task("e", Reason::Delete)]);
    world.delete();
    world.turn(Look::Changed, &|_| gave_up());
    world.setup.one_at_a_time = true;
    world.set(2);
    let trace = world.turn(Look::Changed, &succeed);
    assert_eq!(trace, ["d 1→2 #0", "open 0", "e 1→2 #0", "processed 2/0", "Free"]);
}

#[test]
fn handlers_of_raw_events_alone_leave_no_trace_on_the_object() {
    let spy = Task { on: Trigger::Event, ..task("e", Reason::Create) };
    let mut world = World::new([spy]);
    assert_eq!(world.turn(Look::First, &succeed), ["Stealth"]);
    assert_eq!(world.writes, 0);
}
