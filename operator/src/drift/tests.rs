use super::*;
use crate::{
    catalog::{CatalogColumn, Head, Key, KeyForm, PgTypeId, Place, RelationKind},
    error::{TableError, Wait},
    forms::Form,
    identifier::Identifier,
    marker::Owner,
    metrics::Metrics,
    plan::{Claim, DriftHint, DriftKind, Missing, PlanError, decide, hold},
    secrets::SecretId,
    spec::{ColumnSettings, DriftPolicy},
    status::ConditionReason,
    types::{ResolvedColumn, ResolvedType},
};
use std::{sync::Arc, time::Duration};

const INT: u32 = 23;
const BIGINT: u32 = 20;

fn owner() -> Owner {
    Owner { cluster: "c".into(), namespace: "shop".into(), name: "a".into(), uid: "u".into() }
}

/// A table with the columns `a`, which is its key, and `b`, as it was applied.
fn watched() -> Watched {
    let column = |name: &str| ResolvedColumn {
        name: Identifier::parse(name).unwrap(),
        type_: ResolvedType {
            id: PgTypeId { oid: INT, typmod: -1 },
            serial: false,
            name: "integer".to_owned(),
        },
        settings: ColumnSettings::default(),
        form: Form::default(),
    };
    let wanted = ResolvedTable {
        place: Place { schema: "public".into(), name: "t".into(), qualified: "public.t".into() },
        columns: ["a", "b"].map(column).into(),
        primary_key: vec![Identifier::parse("a").unwrap()],
        indexes: Vec::new(),
        creates_schema: false,
    };
    let claim = Claim { columns: wanted.column_names(), ..Claim::new(owner()) };
    Watched::new(&wanted, &Found::default(), &claim).applied()
}

/// What the database has after this change of it.
fn found(change: impl FnOnce(&mut Relation)) -> Found {
    let watched = watched();
    let column = |name: &str| CatalogColumn {
        name: name.into(),
        type_id: PgTypeId { oid: INT, typmod: -1 },
        type_name: "integer".into(),
        serial: false,
        generated: Generated::No,
    };
    let mut relation = Relation {
        head: Head {
            oid: 1,
            kind: RelationKind::Table,
            comment: Some(owner().mark_comment(None, &watched.wanted.from_spec())),
            stranger: None,
        },
        columns: ["a", "b"].map(column).into(),
        key: Some(Key { constraint: "t_pkey".into(), columns: vec!["a".into()], form: KeyForm::Plain }),
        has_identity: true,
        details: None,
    };
    change(&mut relation);
    Found { here: Some(relation), ..Found::default() }
}

fn is_bigint(relation: &mut Relation) {
    relation.columns[1].type_id.oid = BIGINT;
    relation.columns[1].type_name = "bigint".into();
}

fn lacks_b(relation: &mut Relation) {
    relation.columns.pop();
}

fn kind(verdict: &Verdict) -> Option<DriftKind> {
    match verdict {
        Verdict::AsAsked => None,
        Verdict::Differs(difference) => Some(difference.kind),
        Verdict::Unclear => panic!("it is clear"),
    }
}

#[test]
fn a_table_differs_in_what_would_be_planned_for_it_and_in_nothing_else() {
    let other = Owner { name: "b".into(), ..owner() };
    let line = other.mark_comment(None, &watched().wanted.from_spec());
    for (what, found, expected) in [
        ("nothing", found(|_| ()), None),
        (
            "a column of somebody's",
            found(|relation| {
                let theirs = CatalogColumn { name: "theirs".into(), ..relation.columns[0].clone() };
                relation.columns.push(theirs);
            }),
            None,
        ),
        (
            "a text beside the line",
            found(|relation| {
                let line = relation.head.comment.take().unwrap_or_default();
                relation.head.comment = Some(format!("Who signed up.\n{line}"));
            }),
            None,
        ),
        ("no table", Found::default(), Some(DriftKind::Table)),
        (
            "a view",
            found(|relation| relation.head.kind = RelationKind::Other("a view")),
            Some(DriftKind::Table),
        ),
        ("no line", found(|relation| relation.head.comment = None), Some(DriftKind::Marker)),
        ("another's line", found(|relation| relation.head.comment = Some(line)), Some(DriftKind::Marker)),
        ("no key", found(|relation| relation.key = None), Some(DriftKind::Key)),
        (
            "another key",
            found(|relation| relation.key.as_mut().unwrap().columns = vec!["b".into()]),
            Some(DriftKind::Key),
        ),
        ("another type", found(is_bigint), Some(DriftKind::Type)),
        ("no column", found(lacks_b), Some(DriftKind::Column)),
    ] {
        assert_eq!(kind(&judge(&watched(), &found)), expected, "{what}");
    }
}

#[test]
fn what_somebody_has_changed_is_repaired_reported_or_refused() {
    use DriftPolicy::{Repair, Report};
    let decided = |found: &Found, policy| {
        let Watched { wanted, claim, .. } = &watched();
        let planned = plan::plan(wanted.clone(), found, claim);
        match decide(Compared { wanted, found }, planned, policy) {
            Ok((plan, difference)) => {
                (plan.changes.len() + plan.steps.len(), difference.map(|found| found.kind), None)
            }
            Err(PlanError::Drifted { difference, hint, .. }) => (0, Some(difference.kind), Some(hint)),
            Err(other) => panic!("{other}"),
        }
    };
    let reported = Some(DriftHint::Reported);
    for (found, repair, report) in [
        (found(|_| ()), (0, None, None), (0, None, None)),
        (found(lacks_b), (1, Some(DriftKind::Column), None), (0, Some(DriftKind::Column), reported.clone())),
        (Found::default(), (1, Some(DriftKind::Table), None), (0, Some(DriftKind::Table), reported)),
        (
            found(is_bigint),
            (0, Some(DriftKind::Type), Some(DriftHint::Lossy)),
            (0, Some(DriftKind::Type), Some(DriftHint::Lossy)),
        ),
    ] {
        assert_eq!(decided(&found, Repair), repair, "{found:?}");
        assert_eq!(decided(&found, Report), report, "{found:?}");
    }
    // The uid of an object that was created again is written under both.
    let earlier = found(|relation| {
        let owner = Owner { uid: "earlier".into(), ..owner() };
        relation.head.comment = Some(owner.mark_comment(None, &watched().wanted.from_spec()));
    });
    assert_eq!(decided(&earlier, Report), (0, None, None));
}

#[test]
fn the_words_say_what_was_found_and_what_is_lost() {
    let Verdict::Differs(difference) = judge(&watched(), &found(lacks_b)) else { panic!("it differs") };
    assert_eq!(
        difference.told("public.t", true),
        "Somebody had changed table public.t: column \"b\" is missing. It is as the spec asks again; a column that was missing \
         is empty"
    );
    let Verdict::Differs(difference) = judge(&watched(), &Found::default()) else { panic!("it differs") };
    assert_eq!(
        difference.told("public.t", true),
        "Somebody had changed table public.t: it is missing. It has been created again: it is empty, and without grants, policies, \
         triggers and what else the spec doesn't say"
    );
}

#[test]
fn a_table_that_is_missing_with_most_others_is_not_made_again() {
    for (missing, known, is_held) in [
        // One of one comes back, and so do two.
        (1, 1, false),
        (2, 2, false),
        (3, 3, true),
        (3, 5, true),
        (3, 6, false),
        (40, 2000, false),
        (1001, 2000, true),
    ] {
        let watched = watched();
        let planned = plan::plan(watched.wanted.clone(), &Found::default(), &watched.claim);
        let compared = Compared { wanted: &watched.wanted, found: &Found::default() };
        let (plan, difference) = decide(compared, planned, DriftPolicy::Repair).unwrap();
        assert!(plan.creates_table());
        let (missing_now, difference) = (Missing { missing, known }, difference.unwrap());
        let held = Claim { was_held: true, ..watched.claim.clone() };
        assert!(
            hold(&plan, difference.clone(), missing_now, &held).is_err(),
            "it stays so while others come back"
        );
        let result = hold(&plan, difference, missing_now, &watched.claim);
        assert_eq!(result.is_err(), is_held, "{missing} of {known}");
        if let Err(error) = result {
            let told = error.to_string();
            let counts = format!(
                "it is missing. So were most of the operator's tables in this database ({missing} of {known} are missing now)"
            );
            assert!(told.contains(&counts) && told.contains("kubectl patch"), "{told}");
            assert!(error.pending()[0].starts_with("CREATE TABLE"));
            let error = TableError::from(error);
            assert_eq!((error.reason(), error.wait()), (ConditionReason::Drifted, Wait::ForSomeone));
            let cause = error.cause();
            let is_of_one =
                cause.contains("public.t") || cause.contains(|letter: char| letter.is_ascii_digit());
            assert!(!is_of_one, "all of the database wait for the same: {cause}");
        }
    }
}

#[test]
fn what_a_column_is_generated_from_is_known_as_long_as_its_number_is() {
    let generated = |id, expression: Option<&str>| {
        found(|relation| {
            relation.columns[1].generated = Generated::Stored;
            let mut details = crate::catalog::Details::default();
            let detail = details.columns.entry("b".to_owned()).or_default();
            (detail.expression_id, detail.expression) = (Some(id), expression.map(str::to_owned));
            relation.details = Some(details);
        })
    };
    let claim = watched().claim;
    let watched = Watched::new(&watched().wanted, &generated(7, Some("(a + 1)")), &claim);
    assert_eq!(watched.expressions.get(&7).map(String::as_str), Some("(a + 1)"));
    assert_eq!(judge(&watched, &generated(8, None)), Verdict::Unclear);
    assert_eq!(judge(&watched, &generated(7, None)), judge(&watched, &generated(7, Some("(a + 1)"))));
}

/// The watch of an object, and what a look makes of what it finds: whether the object has a turn.
struct World(Watch);

impl World {
    fn new() -> Self {
        Self(Watch::new(Metrics::default()))
    }

    fn sees(&self, found: &Found) -> bool {
        let [watched] = &*self.0.begin() else { panic!("one is watched") };
        self.0.note_verdict(watched, &judge(watched, found))
    }
}

#[test]
fn an_object_has_a_turn_when_its_table_no_longer_is_as_it_asks_and_is_forgotten_without_a_plan() {
    let world = World::new();
    world.0.note_applied(watched());
    assert!(!world.sees(&found(|_| ())));
    assert!(world.sees(&found(lacks_b)));
    assert!(world.0.begin().is_empty());
}

#[test]
fn an_object_that_was_refused_has_a_turn_only_when_its_table_is_another_one() {
    let world = World::new();
    world.0.note_refused(watched(), &found(is_bigint));
    assert!(!world.sees(&found(is_bigint)));
    assert!(world.sees(&found(lacks_b)), "it is another one");
    // A plan may see more than a look: the look's own view counts from then on.
    world.0.note_refused(watched(), &found(is_bigint));
    assert!(!world.sees(&found(lacks_b)));
    assert!(world.sees(&found(|_| ())), "somebody has put it right");
    world.0.note_applied(watched());
    assert!(!world.sees(&found(|_| ())));
    assert!(world.sees(&found(is_bigint)));
}

#[test]
fn what_a_look_says_of_a_table_that_was_planned_for_meanwhile_does_not_count() {
    let world = World::new();
    world.0.note_applied(watched());
    let [before] = &*world.0.begin() else { panic!("one is watched") };
    world.0.note_applied(watched());
    assert!(!world.0.note_verdict(before, &judge(before, &Found::default())));
    assert_eq!(world.0.begin().len(), 1);
}

#[test]
fn an_object_is_watched_in_the_database_in_which_its_table_is() {
    let secret = SecretId { namespace: "shop".into(), name: "pg".into(), key: None, is_foreign: false };
    let own = Watch::new(Metrics::default());
    let other = own.beside(Some(secret.clone()));
    own.note_applied(watched());
    assert_eq!((own.begin().len(), other.begin().len()), (1, 0));
    other.note_applied(watched());
    assert_eq!((own.begin().len(), other.begin().len()), (0, 1));
    assert_eq!(own.places(), [Some(secret)].into());
    own.forget("shop", "a");
    assert!(own.places().is_empty());
}

#[test]
fn a_table_is_looked_at_for_as_long_as_its_object_is_this_process_s() {
    let (watch, first) = (Watch::new(Metrics::default()), Hold::default());
    watch.hold("shop", "a", &first);
    assert!(watch.places().is_empty(), "it hasn't been planned for");
    watch.note_applied(watched());
    assert_eq!(watch.begin().len(), 1);
    // The object was deleted and created again: the framework may forget the former one later than it shows the new one.
    let again = Hold::default();
    watch.hold("shop", "a", &again);
    drop(first);
    assert_eq!((watch.places().len(), watch.begin().len()), (1, 1));
    // Another replica has taken it over.
    drop(again);
    assert_eq!((watch.places().len(), watch.begin().len()), (0, 0));
    let back = Hold::default();
    watch.hold("shop", "a", &back);
    watch.note_applied(watched());
    assert_eq!(watch.begin().len(), 1);
}

#[test]
fn an_interval_is_a_tenth_longer_or_shorter() {
    let five = Duration::from_secs(300);
    for (random, seconds) in [(0, 270), (1000, 300), (2000, 330), (2001, 270)] {
        assert_eq!(interval(five, random), Duration::from_secs(seconds), "{random}");
    }
    assert!(interval(Duration::from_secs(1), u64::MAX) > Duration::from_millis(899));
}

#[test]
fn a_watch_keeps_the_table_of_an_object_once() {
    let watch = Watch::new(Metrics::default());
    for _ in 0..3 {
        watch.note_applied(watched());
    }
    assert_eq!(Arc::strong_count(&watch.begin()[0]), 2, "the watch has it, and this test");
}
