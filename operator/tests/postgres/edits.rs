//! Random edits of random specs, with rows in the table: after each, the table is as the spec asks, or the error says why not; and no
//! value is lost.
//!
//! `KORF_LONG=1` makes 10,000 edits instead of 400, and `KORF_SEED` begins with another table.

mod check;
mod random;
mod sketch;

use crate::support::World;
use check::rows;
use database_table_operator::{
    error::TableError, outcome::Outcome, plan::PlanError, status::ConditionReason,
};
use random::Random;
use sketch::{Edit, Expected, Sketch};

/// The edits of one table.
const EDITS: u64 = 50;

/// Of so many edits, one is made at a table whose key somebody has dropped.
const KEY_LOST: u64 = 7;

/// What has become of the edits, so that a test that only ever sees one kind doesn't pass.
#[derive(Debug, Default)]
struct Tally {
    applied: u64,
    aborted: u64,
    /// Those of them that were then made by the statements in `status.pending`.
    meant: u64,
    obstructed: u64,
    invalid: u64,
}

#[tokio::test]
async fn after_each_edit_the_table_is_as_the_spec_asks_or_the_error_says_why_and_no_value_is_lost() {
    let tables = if std::env::var_os("KORF_LONG").is_some() { 200 } else { 8 };
    let first: u64 = std::env::var("KORF_SEED").ok().map_or(1, |seed| seed.parse().unwrap());
    let mut tally = Tally::default();
    let mut world = World::new("edits").await;
    world.run(sketch::TYPES).await;
    for seed in first..first + tables {
        let mut random = Random::new(seed);
        let mut sketch = Sketch::new(seed, &mut random);
        world.owner = crate::support::owner(&sketch.table);
        world.lose_the_status();
        world
            .apply(&sketch.spec())
            .await
            .unwrap_or_else(|error| panic!("seed {seed}: {} {error}", sketch.spec()));
        for number in 0..EDITS {
            sketch.insert_rows(&world, &mut random).await;
            let place = format!("seed {seed}, edit {number}");
            if random.one_in(10) {
                sketch.add_by_hand(&world, &mut random).await;
            }
            if number % KEY_LOST == 3 {
                drop_key(&world, &sketch.table).await;
            }
            edit(&mut world, &mut sketch, &mut random, &mut tally, &place).await;
        }
        world.drop().await.unwrap();
    }
    assert!(
        tally.applied > tables * 20
            && tally.aborted > tables
            && tally.meant > tables / 2
            && tally.obstructed > 0
            && tally.invalid > 0,
        "{tally:?}"
    );
}

async fn drop_key(world: &World, table: &str) {
    let query = "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint \
                 WHERE conrelid = to_regclass($1) AND contype = 'p'";
    let name = sketch::quote(table);
    for row in world.sql.query_typed(query, &[(&name, postgres_types::Type::TEXT)]).await.unwrap() {
        world.run(row.get(0)).await;
    }
}

/// Whether the statements that an error holds back make the table as the spec asks, as far as rows let them. Each attempt gets
/// further.
async fn is_made(world: &World, sketch: &Sketch, error: &TableError, place: &str) -> bool {
    let mut pending = error.pending().to_vec();
    for round in 0..4 {
        for (number, statement) in pending.iter().enumerate() {
            let Err(error) = world.sql.batch_execute(statement).await else { continue };
            let code = error.code().unwrap_or_else(|| panic!("{statement}: {error}\n{place}")).code();
            // A row has no value, or two have the same. Nothing was done yet.
            assert!(code.starts_with("23") && (round, number) == (0, 0), "{statement}: {error:?}\n{place}");
            return false;
        }
        match world.apply(&sketch.spec()).await {
            Ok(_) => return true,
            Err(error) => {
                assert_eq!(error.reason(), ConditionReason::UpdateAborted, "{error}\n{place}");
                assert_ne!(error.pending(), pending, "it does nothing\n{place}");
                pending = error.pending().to_vec();
            }
        }
    }
    panic!("there is no end of it: {pending:?}\n{place}");
}

/// Makes one edit, or two at once, and goes back to the spec of before if they were refused.
async fn edit(world: &mut World, sketch: &mut Sketch, random: &mut Random, tally: &mut Tally, place: &str) {
    let before = sketch.clone();
    let first = sketch.edit(random);
    let mut expected = sketch.expect(&first.0, &before, world).await;
    let (mut what, mut is_unsafe) =
        (first.0.what().to_owned(), matches!(first.0, Edit::Unsafe(_) | Edit::Base(_)));
    // What rows are in the way of can't be made by hand.
    let mut is_makeable = true;
    let alone = sketch.clone();
    if expected != Expected::Obstructed
        && random.one_in(2)
        && let Some(second) = sketch.edit_besides(random, &first, &before)
    {
        match sketch.expect(&second, &before, world).await {
            // A part would be made.
            Expected::Obstructed => *sketch = alone,
            more => {
                is_makeable = ![expected, more].contains(&Expected::Invalid);
                expected = expected.max(more);
                is_unsafe |= matches!(second, Edit::Unsafe(_) | Edit::Base(_));
                what = format!("{what} and {}", second.what());
                // Rows may have no value for it, and another statement goes before.
                is_makeable &= !what.contains("become an identity");
            }
        }
    }
    match random.below(10) {
        0 => world.restart(),
        1 => world.lose_the_status(),
        _ => {}
    }
    let (kept, catalog) = (rows(world, &before.table).await, world.snapshot().await);
    let result = world.apply(&sketch.spec()).await;
    let place = format!(
        "{place}: {what} {expected:?}\nfrom {}\nto   {}\ngave {result:?}",
        before.spec(),
        sketch.spec()
    );
    kept.are_in(&rows(world, &sketch.table).await, &place);
    match (&result, expected) {
        (Ok(_), Expected::Applied) => tally.applied += 1,
        (Err(TableError::Plan(PlanError::Incompatible { changes, pending, .. })), Expected::Aborted) => {
            tally.aborted += 1;
            assert!(!changes.is_empty() && !pending.is_empty(), "{place}");
            assert_eq!(world.snapshot().await, catalog, "{place}");
        }
        (Err(TableError::Plan(PlanError::Obstructed { pending, .. })), Expected::Obstructed) => {
            tally.obstructed += 1;
            assert!(!pending.is_empty(), "{place}");
        }
        (Err(error), Expected::Invalid) if error.reason() == ConditionReason::InvalidSpec => {
            tally.invalid += 1;
            assert_eq!(world.snapshot().await, catalog, "{place}");
        }
        _ => panic!("{place}"),
    }
    let is_meant = matches!(&result, Err(error) if expected == Expected::Aborted && is_makeable && random.one_in(2) && is_made(world, sketch, error, &place).await);
    if is_meant {
        tally.meant += 1;
    } else if result.is_err() {
        *sketch = before;
        let back = world.apply(&sketch.spec()).await.unwrap_or_else(|error| panic!("{place}: back: {error}"));
        let is_whole = [Outcome::Unchanged, Outcome::Changed(vec!["PRIMARY KEY (\"id\")".to_owned()])];
        assert!(!is_unsafe || is_whole.contains(&back.outcome), "{place}: {back:?}");
    }
    let kept = if is_meant { rows(world, &sketch.table).await } else { kept };
    assert_eq!(check::differences(world, sketch).await, [""; 0], "{place}");
    let again = world.apply(&sketch.spec()).await.unwrap().outcome;
    assert_eq!(again, Outcome::Unchanged, "{place}");
    kept.are_in(&rows(world, &sketch.table).await, &place);
}
