//! Crashes at every point.

use crate::lights::{House, Light, LightSpec, flickering, light, operator, paint};
use korf::{Name, Operator, Result, State, handler::Registry};
use korf_testing::{Cluster, Error, crash};
use kube::ResourceExt;
use std::{cell::Cell, time::Duration};
use tokio::task::yield_now;

fn scenario(cluster: &mut Cluster, _: &House) -> Result<(), Error> {
    cluster.create(&flickering("a", "red", 1))?;
    cluster.advance(Duration::from_secs(61));
    cluster.patch::<Light>("a", paint("blue"))?;
    cluster.create(&flickering("b", "green", 0))?;
    cluster.delete::<Light>("b")?;
    Ok(())
}

#[test]
fn idempotent_handlers_survive_a_crash_at_every_point() {
    let observe = |cluster: &Cluster, house: &House| {
        let statuses: Vec<_> =
            ["a", "b"].map(|name| cluster.get::<Light>(name).ok().map(|light| light.status)).into();
        let finalizers = cluster.get::<Light>("a").map(|light| light.finalizers().to_vec());
        (house.colors(), statuses, finalizers)
    };
    let points =
        crash::check(House::default, operator, scenario, observe).unwrap_or_else(|found| panic!("{found}"));
    assert!(points > 20, "{points}");
}

async fn count(name: Name, house: State<House>) -> Result {
    house.switch_on(&name, "red").await;
    Ok(())
}

#[test]
fn a_handler_that_repeats_a_side_effect_is_found_with_the_crash_points() {
    let operator = |house: &House| {
        let handler = korf::on_create::<Light>("count").definition().run(count);
        Operator::with_registry("lights", Registry::from_iter([handler])).state(house.clone())
    };
    let scenario = |cluster: &mut Cluster, _: &House| {
        cluster.create(&Light::new("a", LightSpec { color: "red".into(), failures: 0 })).map(drop)
    };
    let found = crash::check(House::default, operator, scenario, |_, house| house.touched("a")).unwrap_err();
    let text = found.to_string();
    // Its first await is before the side effect, its second one after it.
    let expected = ["at its await no. 2: 2", "after it had returned: 2", "before PATCH /apis/korf.dev/v1/"];
    for place in expected {
        assert!(text.contains(place), "{text}");
    }
    assert!(text.starts_with("3 of 5 crashes change the result. Without a crash: 1"), "{text}");
    assert!(text.contains("\n- killed in handler 'count' of default/a, attempt 0, "), "{text}");
}

/// A run of a scenario.
#[derive(Clone)]
struct Run {
    is_first: bool,
}

/// Numbers the runs.
fn runs() -> impl Fn() -> Run {
    let begun = Cell::new(false);
    move || Run { is_first: !begun.replace(true) }
}

/// An operator that awaits something in the first run alone.
fn hesitant(run: &Run) -> Operator {
    async fn hesitate(run: State<Run>) -> Result {
        if run.is_first {
            yield_now().await;
        }
        Ok(())
    }
    let handler = korf::on_create::<Light>("hesitate").definition().run(hesitate);
    Operator::with_registry("lights", Registry::from_iter([handler])).state(run.clone())
}

#[test]
fn crash_points_that_are_not_reached_again_are_reported() {
    let scenario = |cluster: &mut Cluster, _: &Run| cluster.create(&light("a", "red")).map(drop);
    let found = crash::check(runs(), hesitant, scenario, |_, _| ()).unwrap_err();
    assert_eq!(found, crash::CheckError::Unreached { missed: vec![4], points: 4 });
    let expected = "1 of 4 points were not reached again, and could not be tested: no. 4. Handlers, the scenario and the outside \
               world have to be deterministic";
    assert_eq!(found.to_string(), expected);
}

#[test]
fn crash_points_after_the_failure_of_a_scenario_are_not_reached_again() {
    let scenario = |cluster: &mut Cluster, run: &Run| {
        if !run.is_first {
            cluster.delete::<Light>("missing")?;
        }
        cluster.create(&light("a", "red")).map(drop)
    };
    let found = crash::check(runs(), hesitant, scenario, |_, _| ()).unwrap_err();
    assert_eq!(found, crash::CheckError::Unreached { missed: vec![1, 2, 3, 4], points: 4 });
}
