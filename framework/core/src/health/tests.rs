//! Tables of cases: what is noted, and what becomes of it.

use super::*;

const LIMITS: HealthLimits = HealthLimits {
    turn: seconds(30),
    contact: seconds(600),
    silence: seconds(90),
    patience: seconds(10),
    memory: seconds(600),
    grace: seconds(25),
};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A point in time, and how many seconds ago it was.
struct Clock(Instant);

impl Clock {
    fn new() -> Self {
        Self(Instant::now() + seconds(100_000))
    }

    fn ago(&self, age: u64) -> Instant {
        self.0 - seconds(age)
    }

    /// An operator that has served one kind for an hour.
    fn serving(&self) -> Facts {
        let mut watch = WatchFacts::new("things.v1.korf.dev", None, self.ago(1));
        watch.is_listed = true;
        Facts {
            leases: LeaseFacts::None,
            stage: Stage::Serving,
            since: self.ago(3600),
            beat: self.ago(1),
            is_stopping: false,
            watches: vec![watch],
            writes: vec![WriteFacts::new("things.v1.korf.dev")],
        }
    }
}

/// The problems of a report, as `name: problem`.
fn problems(report: &Report) -> String {
    let failed = report.checks.iter().filter_map(|check| Some((check.name, check.problem.as_ref()?)));
    failed.map(|(name, problem)| format!("{name}: {problem}")).collect::<Vec<_>>().join(" | ")
}

fn fails(first: Instant, last: Instant) -> Option<FailedWrites> {
    Some(FailedWrites { first, last })
}

type Change<'a> = Box<dyn Fn(&mut Facts) + 'a>;

/// Each case: what it is, how it differs from an operator that serves, what is wrong with its life, and with its readiness.
#[test]
fn each_state_of_the_operator_and_of_the_api_server_has_one_answer() {
    let clock = Clock::new();
    let ago = |age| clock.ago(age);
    let waits =
        || WatchFacts { state: WatchState::Waits, ..WatchFacts::new("others.v1.korf.dev", None, ago(1)) };
    let cases: Vec<(&str, Change<'_>, &str, &str)> = vec![
        ("all is well", Box::new(|_| {}), "", ""),
        (
            "it logs in, or its start-up takes long",
            Box::new(|facts| {
                (facts.stage, facts.beat) = (Stage::Starting, ago(3600));
                (facts.watches, facts.writes) = (Vec::new(), Vec::new());
            }),
            "",
            "start-up: the operator starts | listed: nothing is listed yet",
        ),
        (
            "its loop has not begun to turn, a moment after the start",
            Box::new(|facts| (facts.stage, facts.since, facts.beat) = (Stage::Listing, ago(1), ago(3600))),
            "",
            "listed: nothing is listed yet",
        ),
        (
            "one of two kinds is listed",
            Box::new(|facts| {
                facts.stage = Stage::Listing;
                facts.watches.push(WatchFacts::new("others.v1.korf.dev", Some("blue"), ago(1)));
            }),
            "",
            "listed: not listed yet: others.v1.korf.dev in namespace \"blue\"",
        ),
        (
            "a CRD is missing at the start",
            Box::new(|facts| {
                facts.stage = Stage::Listing;
                facts.watches.push(waits());
            }),
            "",
            "listed: the API server doesn't know: others.v1.korf.dev",
        ),
        (
            "a CRD was taken away",
            Box::new(|facts| {
                let failed =
                    WatchFacts { state: WatchState::Fails(ago(3600)), contact: ago(3600), ..waits() };
                facts.watches.extend([waits(), WatchFacts { is_paused: true, ..failed }]);
            }),
            "",
            "watches: the API server no longer knows: others.v1.korf.dev",
        ),
        (
            "a watch begins again and again, and fails each time",
            Box::new(|facts| {
                facts.watches[0].is_paused = true;
                facts.watches[0].state = WatchState::Fails(ago(60));
                facts.watches.push(WatchFacts::new("things.v1.korf.dev", None, ago(1)));
            }),
            "",
            "watches: failing: things.v1.korf.dev for 60 seconds",
        ),
        (
            "a watch has just failed",
            Box::new(|facts| facts.watches[0].state = WatchState::Fails(ago(9))),
            "",
            "",
        ),
        (
            "the API server has been away for a while",
            Box::new(|facts| {
                (facts.watches[0].state, facts.watches[0].contact) = (WatchState::Fails(ago(10)), ago(12));
            }),
            "",
            "watches: failing: things.v1.korf.dev for 10 seconds",
        ),
        (
            "it lasts",
            Box::new(|facts| {
                (facts.watches[0].state, facts.watches[0].contact) = (WatchState::Fails(ago(600)), ago(601));
                facts.watches[0].sign = ago(3);
            }),
            "watches: no contact to the API server: things.v1.korf.dev for 601 seconds",
            "watches: failing: things.v1.korf.dev for 600 seconds; no contact to the API server: things.v1.korf.dev for \
             601 seconds",
        ),
        (
            "a conversion webhook is broken, and so one kind of two can't be listed",
            Box::new(|facts| {
                let broken = WatchFacts { state: WatchState::Fails(ago(700)), ..waits() };
                facts.watches.push(WatchFacts { contact: ago(701), sign: ago(3), ..broken });
            }),
            "",
            "watches: failing: others.v1.korf.dev for 700 seconds; no contact to the API server: others.v1.korf.dev for 701 \
             seconds",
        ),
        (
            "one of two connections has been dead for long, and the watch has not noticed",
            Box::new(|facts| {
                let dead = WatchFacts { state: WatchState::Works, ..waits() };
                facts.watches.push(WatchFacts { contact: ago(601), sign: ago(601), ..dead });
            }),
            "watches: neither contact nor an error: others.v1.korf.dev for 601 seconds",
            "watches: no contact to the API server: others.v1.korf.dev for 601 seconds",
        ),
        (
            "the API server is away for a watch, and the other one can't go on",
            Box::new(|facts| {
                facts.watches[0].is_paused = true;
                let away = WatchFacts { state: WatchState::Fails(ago(700)), ..waits() };
                facts.watches.push(WatchFacts { contact: ago(701), sign: ago(3), ..away });
            }),
            "watches: no contact to the API server: others.v1.korf.dev for 701 seconds",
            "watches: failing: others.v1.korf.dev for 700 seconds; no contact to the API server: others.v1.korf.dev for 701 \
             seconds",
        ),
        (
            "it answers that the watch isn't allowed",
            Box::new(|facts| facts.watches[0].state = WatchState::Fails(ago(7200))),
            "",
            "watches: failing: things.v1.korf.dev for 7200 seconds",
        ),
        ("a watch is as silent as it may be", Box::new(|facts| facts.watches[0].contact = ago(100)), "", ""),
        (
            "a connection is dead, and nobody has noticed",
            Box::new(|facts| facts.watches[0].contact = ago(101)),
            "",
            "watches: no contact to the API server: things.v1.korf.dev for 101 seconds",
        ),
        ("a write has just failed", Box::new(|facts| facts.writes[0].failed = fails(ago(9), ago(9))), "", ""),
        (
            "all writes fail",
            Box::new(|facts| facts.writes[0].failed = fails(ago(70), ago(3))),
            "",
            "writes: failing: things.v1.korf.dev for 70 seconds",
        ),
        (
            "a write has failed, and nothing was written for long",
            Box::new(|facts| facts.writes[0].failed = fails(ago(900), ago(601))),
            "",
            "",
        ),
        (
            "all threads are blocked",
            Box::new(|facts| facts.beat = ago(31)),
            "loop: it has not turned for 31 seconds: is a handler blocking?",
            "loop: it has not turned for 31 seconds: is a handler blocking?",
        ),
        (
            "it was told to stop, a moment ago",
            Box::new(|facts| facts.is_stopping = true),
            "",
            "shutdown: the operator stops",
        ),
        (
            "it is told to stop while all threads are blocked",
            Box::new(|facts| (facts.is_stopping, facts.beat) = (true, ago(31))),
            "loop: it has not turned for 31 seconds: is a handler blocking?",
            "loop: it has not turned for 31 seconds: is a handler blocking? | shutdown: the operator stops",
        ),
        (
            "a handler takes its time while the operator stops",
            Box::new(|facts| {
                (facts.stage, facts.since, facts.is_stopping) = (Stage::Stopping, ago(25), true);
                (facts.beat, facts.watches[0].contact) = (ago(700), ago(700));
            }),
            "",
            "shutdown: the operator stops",
        ),
        (
            "it doesn't come to its end",
            Box::new(|facts| {
                (facts.stage, facts.since, facts.is_stopping) = (Stage::Stopping, ago(56), true);
            }),
            "loop: the operator has been stopping for 56 seconds",
            "loop: the operator has been stopping for 56 seconds | shutdown: the operator stops",
        ),
    ];
    for (case, change, live, ready) in cases {
        let mut facts = clock.serving();
        change(&mut facts);
        assert_eq!(problems(&facts.live(&LIMITS, clock.0)), live, "{case}: alive");
        assert_eq!(problems(&facts.ready(&LIMITS, clock.0)), ready, "{case}: ready");
    }
}

#[test]
fn writes_fail_until_the_api_server_has_dealt_with_one() {
    let clock = Clock::new();
    let mut writes = WriteFacts::new("things.v1.korf.dev");
    for (age, is_done, failed) in [
        (50, false, fails(clock.ago(50), clock.ago(50))),
        (40, false, fails(clock.ago(50), clock.ago(40))),
        (30, true, None),
        (20, false, fails(clock.ago(20), clock.ago(20))),
    ] {
        writes.note(is_done, clock.ago(age));
        assert_eq!(writes.failed, failed, "{age} seconds ago");
    }
}

#[test]
fn a_report_reads_like_one_of_the_api_server_and_stays_short() {
    let clock = Clock::new();
    let mut facts = clock.serving();
    let live = facts.live(&LIMITS, clock.0);
    assert!(live.has_passed());
    assert_eq!(live.text(false), "ok");
    assert_eq!(live.text(true), "[+]loop ok\n[+]watches ok\nlivez check passed\n");

    let lost = |number: u32| WatchFacts::new(&format!("k{number}"), None, clock.ago(700));
    facts.watches = (0..50).map(lost).collect();
    let live = facts.live(&LIMITS, clock.0);
    assert!(!live.has_passed());
    let problem = "[-]watches failed: no contact to the API server: k0 for 700 seconds, k1 for 700 seconds, k2 for 700 \
                   seconds and 47 more\n";
    assert_eq!(live.text(false), problem);
    assert_eq!(live.text(true), format!("[+]loop ok\n{problem}livez check failed\n"));
}
