//! Crashes at every place.

use crate::lights::{House, Light, LightSpec, flickering, light, operator, paint};
use korf::{Name, Operator, Registry, Result, State};
use korf_testing::{Cluster, Error, crash};
use kube::ResourceExt;
use std::{cell::Cell, time::Duration};
use tokio::task::yield_now;

fn story(cluster: &mut Cluster, _: &House) -> Result<(), Error> {
    cluster.create(&flickering("a", "red", 1))?;
    cluster.advance(Duration::from_secs(61));
    cluster.patch::<Light>("a", paint("blue"))?;
    cluster.create(&flickering("b", "green", 0))?;
    cluster.delete::<Light>("b")?;
    Ok(())
}

#[test]
fn idempotent_handlers_stand_a_crash_at_every_place() {
    let observe = |cluster: &Cluster, house: &House| {
        let statuses: Vec<_> =
            ["a", "b"].map(|name| cluster.get::<Light>(name).ok().map(|light| light.status)).into();
        let finalizers = cluster.get::<Light>("a").map(|light| light.finalizers().to_vec());
        (house.colors(), statuses, finalizers)
    };
    let places =
        crash::check(House::default, operator, story, observe).unwrap_or_else(|found| panic!("{found}"));
    assert!(places > 20, "{places}");
}

async fn count(name: Name, house: State<House>) -> Result {
    house.switch_on(&name, "red").await;
    Ok(())
}

#[test]
fn a_handler_that_does_a_thing_twice_is_found_with_the_places_where_it_does() {
    let operator = |house: &House| {
        let handler = korf::on_create::<Light>("count").definition().run(count);
        Operator::with_registry("lights", Registry::from_iter([handler])).state(house.clone())
    };
    let story = |cluster: &mut Cluster, _: &House| {
        cluster.create(&Light::new("a", LightSpec { color: "red".into(), failures: 0 })).map(drop)
    };
    let found = crash::check(House::default, operator, story, |_, house| house.touched("a")).unwrap_err();
    let text = found.to_string();
    // Its first await comes before the deed, its second one behind it.
    let expected = ["at its await no. 2: 2", "after it had returned: 2", "before PATCH /apis/korf.dev/v1/"];
    for place in expected {
        assert!(text.contains(place), "{text}");
    }
    assert!(text.starts_with("3 of 5 crashes make a difference. Undisturbed: 1"), "{text}");
    assert!(text.contains("\n- killed in handler 'count' of default/a, attempt 0, "), "{text}");
}

/// A run of a story.
#[derive(Clone)]
struct Run {
    is_first: bool,
}

/// Makes one run after the other.
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
fn places_that_are_not_reached_again_are_told() {
    let story = |cluster: &mut Cluster, _: &Run| cluster.create(&light("a", "red")).map(drop);
    let found = crash::check(runs(), hesitant, story, |_, _| ()).unwrap_err();
    assert_eq!(found, crash::Failed::Unreached { missed: vec![4], places: 4 });
    let expected = "1 of 4 places were not reached again, so that nothing is known of crashes there: no. 4. \
                    Handlers, the story and the world outside have to do the same in each run";
    assert_eq!(found.to_string(), expected);
}

#[test]
fn places_behind_the_failure_of_a_story_are_not_reached_again() {
    let story = |cluster: &mut Cluster, run: &Run| {
        if !run.is_first {
            cluster.delete::<Light>("nobody")?;
        }
        cluster.create(&light("a", "red")).map(drop)
    };
    let found = crash::check(runs(), hesitant, story, |_, _| ()).unwrap_err();
    assert_eq!(found, crash::Failed::Unreached { missed: vec![1, 2, 3, 4], places: 4 });
}
