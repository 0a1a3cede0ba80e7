use super::*;
use futures::poll;
use serde_json::json;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use tokio::{sync::Notify, task::yield_now};

fn owner(name: &str) -> Owner {
    Owner { cluster: "c".into(), namespace: "n".into(), name: name.into(), uid: "u".into() }
}

fn spec(column: &str) -> Table {
    Table::from_spec(Some(&json!({"tableName": "t", "columns": [{column: "integer"}]}))).unwrap()
}

fn counter() -> (Arc<AtomicU32>, impl Fn() + Send + Clone + 'static) {
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    (count, move || {
        counted.fetch_add(1, SeqCst);
    })
}

/// One with a lane.
struct World {
    background: Arc<Background>,
    lane: Lane,
}

impl World {
    fn new(places: usize) -> Self {
        let background = Arc::new(Background::new(places));
        Self { lane: background.lane(), background }
    }

    /// One in which nobody waits.
    fn impatient(places: usize) -> Self {
        let background = Background { patience: Duration::ZERO, ..Background::new(places) };
        let background = Arc::new(background);
        Self { lane: background.lane(), background }
    }

    fn begin(&self, name: &str, work: impl Future<Output = Result<(), TableError>> + Send + 'static) {
        self.begin_in(self.lane, name, work);
    }

    fn begin_in(
        &self,
        lane: Lane,
        name: &str,
        work: impl Future<Output = Result<(), TableError>> + Send + 'static,
    ) {
        let drift = (name == "last").then(|| "it was blue".to_owned());
        let doing = Doing { table: format!("of_{name}"), what: "it".into(), drift };
        self.background.begin(lane, &owner(name), &spec("a"), doing, work);
    }

    async fn look(&self, name: &str) -> String {
        match self.background.look(&owner(name), &spec("a")).await {
            None => "none".to_owned(),
            Some(Progress::Going(words)) => words.to_string(),
            Some(Progress::Over(result)) => format!("over: {}", result.is_ok()),
        }
    }
}

/// Work that ends with a failure when it is told to.
fn work() -> (Arc<Notify>, impl Future<Output = Result<(), TableError>> + Send + 'static) {
    let end = Arc::new(Notify::new());
    let ended = Arc::clone(&end);
    (end, async move {
        ended.notified().await;
        Err(TableError::NoSchema)
    })
}

/// Lets all tasks do what they can.
async fn yield_for_long() {
    for _ in 0..100 {
        yield_now().await;
    }
}

#[tokio::test]
async fn short_work_is_over_at_the_first_look() {
    let world = World::new(1);
    world.begin("a", async { Ok(()) });
    assert_eq!(world.look("a").await, "over: true");
    assert_eq!(world.look("a").await, "none", "it is forgotten");
}

#[tokio::test]
async fn long_work_goes_on_and_tells_its_end_once() {
    let (world, (count, call), (end, work)) = (World::impatient(1), counter(), work());
    world.begin("a", work);
    for _ in 0..2 {
        assert_eq!(world.look("a").await, "table of_a is being changed: it");
        world.background.when_over(&owner("a"), call.clone());
    }
    end.notify_one();
    yield_for_long().await;
    assert_eq!(count.load(SeqCst), 1);
    world.background.when_over(&owner("a"), call.clone());
    assert_eq!(count.load(SeqCst), 2, "it is over already");
    assert_eq!(world.look("a").await, "over: false");
    world.background.when_over(&owner("a"), call);
    assert_eq!(count.load(SeqCst), 3, "there is none any more");
}

#[tokio::test]
async fn only_the_first_look_waits_and_only_few_do_at_the_same_time() {
    let world = World::new(2);
    let names: Vec<_> = (0..40).map(|number: u32| number.to_string()).collect();
    for name in &names {
        world.begin(name, work().1);
    }
    for expected in [4, 0] {
        let mut looks: Vec<_> = names.iter().map(|name| Box::pin(world.look(name))).collect();
        let mut waiting = 0;
        for look in &mut looks {
            waiting += u32::from(poll!(look).is_pending());
        }
        assert_eq!(waiting, expected);
    }
}

#[tokio::test]
async fn work_waits_for_its_turn_and_says_what_for() {
    let world = World::impatient(4);
    let (one, first) = work();
    world.begin("a", first);
    world.begin("b", work().1);
    world.begin("c", async { Ok(()) });
    yield_for_long().await;
    let waits = "table of_c waits for its turn: it comes after what is being done to of_a, of_b";
    assert_eq!(world.look("c").await, waits);
    let other = world.background.lane();
    world.begin_in(other, "x", work().1);
    assert_eq!(world.look("x").await, "table of_x is being changed: it", "what one waits for, others don't");
    assert_eq!(world.look("c").await, format!("{waits} and in other databases"));
    world.background.give_up("n", "x");
    one.notify_one();
    yield_for_long().await;
    assert_eq!(world.look("c").await, "over: true");
    for name in ["x", "y", "z"] {
        world.begin_in(world.background.lane(), name, work().1);
    }
    world.begin_in(world.background.lane(), "last", work().1);
    assert_eq!(
        world.look("last").await,
        "table of_last waits for its turn: it comes after what is being done in other databases. Somebody had changed it: it \
         was blue"
    );
}

#[tokio::test]
async fn work_that_is_given_up_frees_its_place_and_tells_nothing() {
    for way in ["given up", "replaced", "for another spec", "for an earlier object", "before its turn"] {
        let (world, (count, call)) = (World::impatient(1), counter());
        let background = &world.background;
        let (end, first) = work();
        if way == "before its turn" {
            world.begin("first", first);
        }
        world.begin("a", work().1);
        background.when_over(&owner("a"), call);
        yield_for_long().await;
        match way {
            "given up" | "before its turn" => background.give_up("n", "a"),
            "replaced" => world.begin("a", async { Ok(()) }),
            "for another spec" => assert!(background.look(&owner("a"), &spec("b")).await.is_none()),
            _ => {
                let successor = Owner { uid: "v".into(), ..owner("a") };
                assert!(background.look(&successor, &spec("a")).await.is_none());
            }
        }
        world.begin("b", async { Ok(()) });
        end.notify_one();
        yield_for_long().await;
        assert_eq!((world.look("b").await.as_str(), count.load(SeqCst)), ("over: true", 0), "{way}");
    }
}

#[tokio::test]
async fn a_look_that_is_cut_off_leaves_the_work_known() {
    let (world, (end, work)) = (World::new(1), work());
    world.begin("a", work);
    let cut_off = timeout(Duration::ZERO, world.look("a")).await;
    assert!(cut_off.is_err(), "{cut_off:?}");
    assert_eq!(world.look("a").await, "table of_a is being changed: it");
    world.background.give_up("n", "a");
    yield_for_long().await;
    assert_eq!(Arc::strong_count(&end), 1, "it could be given up");
}

#[tokio::test]
async fn work_that_panics_is_over() {
    let world = World::impatient(1);
    world.begin("a", async { panic!("planted") });
    yield_for_long().await;
    assert_eq!(world.look("a").await, "over: false");
}

#[tokio::test]
async fn the_end_of_work_whose_object_is_gone_is_not_kept() {
    let world = World::impatient(9);
    for number in 0..9 {
        world.begin(&number.to_string(), async { Ok(()) });
        yield_for_long().await;
    }
    assert_eq!(world.background.state().works.len(), 1, "{:?}", world.background);
}
