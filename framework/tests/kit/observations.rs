//! Observations and settings.

use crate::lights::{Light, light};
use korf::{Operator, handler::Registry, observe::Observation, settings::Settings};
use korf_testing::Cluster;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::sleep;

/// What a sink was told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn add(&self, text: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn slow() -> korf::handler::Handler {
    korf::on_create::<Light>("slow").run(async || sleep(Duration::from_secs(3)).await)
}

#[test]
fn a_sink_hears_of_the_phases_in_their_order_and_of_the_time_that_handlers_take() {
    let told = Told::default();
    let sink = {
        let told = told.clone();
        move |observation: &Observation<'_>| match observation {
            Observation::PhaseEntered(phase) => told.add(format!("{phase:?}")),
            Observation::HandlerEnded { handler, took, .. } => {
                told.add(format!("{} took {}", handler.id, took.as_secs()));
            }
            _ => {}
        }
    };
    let operator = move || {
        let sink = sink.clone();
        Operator::with_registry("lamps", Registry::from_iter([slow()])).observe(sink)
    };
    let mut cluster = Cluster::of(operator).unwrap();
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(Duration::from_secs(5));
    cluster.stop().unwrap();
    assert_eq!(told.all(), ["Starting", "Listing", "Serving", "slow took 3", "Draining", "CleaningUp"]);
}

#[test]
fn settings_with_which_an_operator_cant_live_end_its_start() {
    use korf::{RunError, extract::OperatorSetup};
    use std::sync::atomic::{AtomicBool, Ordering};
    let contradict = |settings: &mut Settings| settings.watching.silence = settings.watching.server_timeout;
    let mut settings = Settings::default();
    contradict(&mut settings);
    let spins = |settings: &mut Settings| settings.watching.discovery_interval = Duration::ZERO;
    for (in_code, expected) in [
        (
            settings,
            "the setting `watching.silence` can't be 60s: it has to be longer than `watching.server_timeout`",
        ),
        (Settings::default(), "the setting `watching.discovery_interval` can't be 0s: give it at least 1ms"),
    ] {
        let begun = Arc::new(AtomicBool::new(false));
        let operator = {
            let (begun, in_code) = (Arc::clone(&begun), in_code.clone());
            move || {
                let begun = Arc::clone(&begun);
                let set = move |setup: OperatorSetup| {
                    begun.store(true, Ordering::Relaxed);
                    async move { setup.settings(spins) }
                };
                Operator::with_registry("lamps", Registry::from_iter([slow()]))
                    .settings(in_code.clone())
                    .activity(korf::on_startup("set").run(set))
            }
        };
        let Err(error @ RunError::Setting(_)) = Cluster::of(operator) else { panic!("it starts") };
        assert!(error.to_string().starts_with(expected), "{error}");
        assert_eq!(begun.load(Ordering::Relaxed), in_code == Settings::default(), "{expected}");
    }
}

#[test]
fn settings_change_how_long_handlers_may_take_to_end() {
    for (grace, ends) in [("2s", false), ("10s", true)] {
        let mut settings = Settings::default();
        settings.set("stopping.grace", grace).unwrap();
        let operator = move || {
            Operator::with_registry("lamps", Registry::from_iter([slow()])).settings(settings.clone())
        };
        let mut cluster = Cluster::of(operator).unwrap();
        cluster.create(&light("a", "red")).unwrap();
        cluster.stop().unwrap();
        let cancelled = cluster.lines().iter().any(|line| line.message.contains("are cancelled"));
        assert_eq!(cancelled, !ends, "{grace}");
    }
}
