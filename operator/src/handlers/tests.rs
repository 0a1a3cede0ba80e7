use super::*;
use crate::{
    api::ApiError,
    error::DatabaseError,
    identifier::Identifier,
    plan::{IndexConflict, Obstacle},
    secrets::{SecretError, SecretId},
    spec::SpecError,
};

const SECOND: Duration = Duration::from_secs(1);

/// What the framework is told, and when the next attempt is to be, in seconds, where the handler says so.
fn told(error: TableError, lasts: u32) -> (&'static str, u64) {
    match next_attempt(error, "the database".into(), SECOND * lasts) {
        Error::Unclassified(_) => ("retried", 0),
        Error::Temporary { delay, .. } => ("temporary", delay.as_secs()),
        Error::Outage { delay, .. } => ("outage", delay.as_secs()),
        Error::Waiting { delay, .. } => ("waits", delay.as_secs()),
        Error::Permanent(_) => ("permanent", 0),
    }
}

#[test]
fn what_goes_well_is_waited_for_what_is_away_is_an_outage_and_so_is_what_a_person_has_to_bring() {
    let table = || "public.t".to_owned();
    let working = || TableError::Working("index \"i\" of table public.t is being built".into());
    let secret = SecretId { namespace: "shop".into(), name: "pg".into(), key: None, is_foreign: false };
    let obstructed = || -> TableError {
        let obstacle = Obstacle::Nulls { column: Identifier::parse("a").unwrap() };
        PlanError::Obstructed { table: table(), obstacle, pending: Vec::new() }.into()
    };
    let mut away = DatabaseError::interrupted();
    away.of_the_server = true;
    for (error, wait, lasts, expected) in [
        (DatabaseError::interrupted().into(), Wait::ForBackoff, 9, ("retried", 0)),
        (away.into(), Wait::ForDatabase, 9, ("outage", 3)),
        (TableError::ClusterUnknown(ApiError::new("no answer")), Wait::ForApiServer, 9, ("outage", 3)),
        (TableError::NoSchema, Wait::ForSomeone, 9, ("outage", 20)),
        (SecretError::Missing(secret).into(), Wait::ForSomeone, 9, ("outage", 20)),
        (working(), Wait::ForWork, 0, ("waits", 1)),
        (working(), Wait::ForWork, 9, ("waits", 9)),
        (working(), Wait::ForWork, 3600, ("waits", 60)),
        (PlanError::Busy { table: table() }.into(), Wait::ForWork, 9, ("waits", 9)),
        (
            PlanError::Index(IndexConflict::BeingBuilt { index: "i".into(), table: table() }).into(),
            Wait::ForWork,
            9,
            ("waits", 9),
        ),
        (
            DatabaseError::interrupted().of_long_work("index \"i\"", "public.t").into(),
            Wait::ForRoom,
            9,
            ("temporary", 300),
        ),
        (
            DatabaseError::interrupted().of_long_work("index \"i\"", "public.t").into(),
            Wait::ForRoom,
            1000,
            ("temporary", 1000),
        ),
        (obstructed(), Wait::ForRows, 9, ("temporary", 300)),
        (obstructed(), Wait::ForRows, 3600, ("temporary", 3600)),
        (obstructed(), Wait::ForRows, 1 << 20, ("temporary", 6 * 3600)),
        (TableError::Spec(SpecError::UnnamedSchema), Wait::ForSpec, 9, ("permanent", 0)),
    ] {
        let error: TableError = error;
        assert_eq!(error.wait(), wait, "{error}");
        let words = error.to_string();
        assert_eq!(told(error, lasts), expected, "{words}");
    }
}
