//! Answers that get lost on their way.

use crate::lights::{House, Light, cluster, light, paint};
use http::Method;
use korf::testing::api::{Fate, Faults, Request, Trouble};
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
