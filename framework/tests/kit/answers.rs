//! Answers that get lost on their way, and answers that say no.

use crate::lights::{House, Light, cluster, cluster_of, light, paint};
use http::Method;
use korf_testing::api::{Fate, Faults, Passage, Request, Trouble, WatchEvent};
use serde_json::json;
use std::time::Duration;

/// The API server does what it is asked for, nobody learns of it, and a second time it refuses that.
#[derive(Default)]
struct Moody {
    done: Option<Request>,
}

impl Faults for Moody {
    fn request(&mut self, request: &Request) -> Fate {
        if request.who != "operator" || request.method != Method::PATCH {
            return Fate::pass();
        }
        match &self.done {
            None => {
                self.done = Some(request.clone());
                Fate::after(Trouble::Reset)
            }
            Some(done) if done == request => Fate::before(Trouble::Refused(422)),
            Some(_) => Fate::pass(),
        }
    }
}

#[test]
fn what_is_stored_already_is_not_refused() {
    let house = House::default();
    let mut cluster = cluster(&house);
    cluster.create(&light("a", "red")).unwrap();
    let before = cluster.lines_of("a").len();
    cluster.set_faults(Moody::default());
    cluster.patch::<Light>("a", paint("blue")).unwrap();
    cluster.advance(Duration::from_secs(600));
    let said = cluster.lines_of("a").split_off(before);
    assert!(!said.iter().any(|line| line.contains("refuse")), "{said:#?}");
    assert_eq!((house.colors()["a"].as_str(), house.touched("a")), ("blue", 2));
}

/// A webhook that fails for one object.
struct FailingFor(&'static str);

impl Faults for FailingFor {
    fn request(&mut self, request: &Request) -> Fate {
        let fails = request.method == Method::PATCH && request.path.contains(self.0);
        if fails { Fate::before(Trouble::Refused(500)) } else { Fate::pass() }
    }
}

#[test]
fn an_object_that_can_not_be_changed_does_not_keep_others_waiting() {
    let house = House::default();
    let mut cluster = cluster_of(&house, |operator| operator.concurrency(1));
    cluster.set_faults(FailingFor("/lights/sick"));
    cluster.create(&light("sick", "red")).unwrap();
    cluster.advance(Duration::from_secs(35));
    for number in 0..30 {
        let name = format!("b{number}");
        cluster.create(&light(&name, "red")).unwrap();
        cluster.advance(Duration::from_secs(3));
        assert!(house.colors().contains_key(&name), "{name} waits");
    }
    cluster.set_faults(());
    cluster.advance(Duration::from_secs(31));
    assert_eq!(house.touched("sick"), 1);
}

/// An API server to which it is a long way: what is to be changed has been changed meanwhile. Watches are late, too.
struct Far;

impl Faults for Far {
    fn request(&mut self, request: &Request) -> Fate {
        let way = if request.method == Method::PATCH && request.who == "operator" { 100 } else { 0 };
        Fate::pass().taking(Duration::from_millis(way), Duration::ZERO)
    }

    fn event(&mut self, _: &WatchEvent) -> Passage {
        Passage::Delay(Duration::from_secs(3))
    }
}

#[test]
fn an_object_that_could_not_be_changed_for_long_and_that_others_change_is_read_anew() {
    let house = House::default();
    let mut cluster = cluster(&house);
    cluster.set_faults(FailingFor("/lights/a"));
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(Duration::from_secs(50));
    cluster.set_faults(Far);
    for number in 0..30 {
        cluster.patch::<Light>("a", json!({"status": {"color": number.to_string()}})).unwrap();
        cluster.advance(Duration::from_secs(2));
    }
    assert!(house.touched("a") > 0);
}
