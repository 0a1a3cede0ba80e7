//! Crashes at every place.

use crate::lights::{House, Light, LightSpec, flickering, operator, paint};
use korf::{
    Name, Operator, Registry, Result, State,
    testing::{Cluster, Error, crash},
};
use kube::ResourceExt;
use std::time::Duration;

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
