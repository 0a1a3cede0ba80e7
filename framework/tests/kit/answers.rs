//! Lost answers and rejections.

use crate::lights::{House, Light, cluster, cluster_of, light, paint};
use http::Method;
use korf_testing::api::{Delivery, EventDelivery, Fault, Faults, Request, WatchEvent};
use serde_json::json;
use std::time::Duration;

/// Each first answer is lost, and the repeated request is rejected.
#[derive(Default)]
struct LostAnswers {
    done: Option<Request>,
}

impl Faults for LostAnswers {
    fn request(&mut self, request: &Request) -> Delivery {
        if request.client != "operator" || request.method != Method::PATCH {
            return Delivery::pass();
        }
        match &self.done {
            None => {
                self.done = Some(request.clone());
                Delivery::after(Fault::Reset)
            }
            Some(done) if done == request => Delivery::before(Fault::Rejected(422)),
            Some(_) => Delivery::pass(),
        }
    }
}

#[test]
fn a_write_that_took_effect_is_not_reported_as_rejected() {
    let house = House::default();
    let mut cluster = cluster(&house);
    cluster.create(&light("a", "red")).unwrap();
    let before = cluster.lines_about("a").len();
    cluster.set_faults(LostAnswers::default());
    cluster.patch::<Light>("a", paint("blue")).unwrap();
    cluster.advance(Duration::from_secs(600));
    let lines = cluster.lines_about("a").split_off(before);
    assert!(!lines.iter().any(|line| line.contains("reject")), "{lines:#?}");
    assert_eq!((house.colors()["a"].as_str(), house.touched("a")), ("blue", 2));
}

/// A webhook that fails for one object.
struct FailingFor(&'static str);

impl Faults for FailingFor {
    fn request(&mut self, request: &Request) -> Delivery {
        let fails = request.method == Method::PATCH && request.path.contains(self.0);
        if fails { Delivery::before(Fault::Rejected(500)) } else { Delivery::pass() }
    }
}

#[test]
fn an_object_that_cannot_be_written_does_not_delay_others() {
    let house = House::default();
    let mut cluster = cluster_of(&house, |operator| operator.concurrency(1));
    cluster.set_faults(FailingFor("/lights/sick"));
    cluster.create(&light("sick", "red")).unwrap();
    cluster.advance(Duration::from_secs(35));
    for number in 0..30 {
        let name = format!("b{number}");
        cluster.create(&light(&name, "red")).unwrap();
        cluster.advance(Duration::from_secs(3));
        assert!(house.colors().contains_key(&name), "{name} is delayed");
    }
    cluster.set_faults(());
    cluster.advance(Duration::from_secs(31));
    assert_eq!(house.touched("sick"), 1);
}

/// A slow network: objects change before a patch arrives. Watches are late, too.
struct Slow;

impl Faults for Slow {
    fn request(&mut self, request: &Request) -> Delivery {
        let way = if request.method == Method::PATCH && request.client == "operator" { 100 } else { 0 };
        Delivery::pass().taking(Duration::from_millis(way), Duration::ZERO)
    }

    fn event(&mut self, _: &WatchEvent) -> EventDelivery {
        EventDelivery::Delay(Duration::from_secs(3))
    }
}

#[test]
fn an_object_whose_writes_keep_conflicting_is_read_again() {
    let house = House::default();
    let mut cluster = cluster(&house);
    cluster.set_faults(FailingFor("/lights/a"));
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(Duration::from_secs(50));
    cluster.set_faults(Slow);
    for number in 0..30 {
        cluster.patch::<Light>("a", json!({"status": {"color": number.to_string()}})).unwrap();
        cluster.advance(Duration::from_secs(2));
    }
    assert!(house.touched("a") > 0);
}
