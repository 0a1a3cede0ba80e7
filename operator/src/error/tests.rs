use super::*;
use crate::{connection::SecretFault, marker::Owner, plan::Forget, secrets::SecretId};
use kube::core::Status;

fn rejected(code: u16) -> ApiError {
    let status =
        Status { code, message: "it is\nforbidden".into(), reason: "Forbidden".into(), ..Status::default() };
    kube::Error::Api(status.boxed()).into()
}

#[test]
fn failed_api_requests_are_retried_soon_also_when_a_permission_is_missing() {
    for make in [TableError::ClusterUnknown, TableError::ObjectUnknown] {
        for (error, class, reason) in [
            (rejected(403), ErrorClass::Temporary, ConditionReason::PermissionDenied),
            (rejected(401), ErrorClass::Temporary, ConditionReason::PermissionDenied),
            (rejected(500), ErrorClass::Temporary, ConditionReason::ClusterUnavailable),
            (ApiError::new("no answer"), ErrorClass::Temporary, ConditionReason::ClusterUnavailable),
        ] {
            let error = make(error);
            assert_eq!((error.class(), error.reason()), (class, reason), "{error}");
        }
    }
    let text = TableError::ClusterUnknown(rejected(403)).to_string();
    assert!(text.contains("(it is; forbidden): grant the operator `get`"), "{text}");
}

#[test]
fn without_any_database_another_spec_is_waited_for() {
    let error = TableError::NoDatabase;
    assert_eq!((error.reason(), error.wait()), (ConditionReason::InvalidSpec, Wait::ForSpec));
    assert!(error.as_failure("", false, Duration::ZERO).needs_person);
    assert!(error.message(true).ends_with("set deletionPolicy: Retain"));
}

#[test]
fn changes_that_take_too_long_are_not_tried_again() {
    let cancelled = || {
        TableError::Database(DatabaseError {
            code: Some("57014".into()),
            ..DatabaseError::of_the_object("canceled".into())
        })
    };
    assert!(cancelled().is_of_statement_limit(STATEMENT_LIMIT));
    assert!(!cancelled().is_of_statement_limit(Duration::from_secs(59)), "somebody has cancelled it");
    assert!(!TableError::NoSchema.is_of_statement_limit(STATEMENT_LIMIT));
    let pending = vec!["ALTER TABLE t …".to_owned()];
    let error =
        TableError::from(PlanError::TooSlow { table: "t".into(), seconds: 60, pending: pending.clone() });
    assert_eq!((error.class(), error.reason()), (ErrorClass::Permanent, ConditionReason::UpdateAborted));
    assert_eq!(error.pending(), pending);
}

#[test]
fn what_keeps_an_object_from_going_names_the_way_out_where_there_is_one() {
    let secret = || SecretId { namespace: "shop".into(), name: "pg".into(), key: None, is_foreign: false };
    let mistake = SpecError::UnnamedSchema;
    let unusable = SecretError::Unusable { secret: secret(), fault: SecretFault::Port };
    let owner = Owner { cluster: "c".into(), namespace: "shop".into(), name: "a".into(), uid: "1".into() };
    let elsewhere = PlanError::Elsewhere { table: "t".into(), forget: Forget::by(&owner) };
    for (error, helps) in [
        (TableError::from(SecretError::Missing(secret())), true),
        (unusable.into(), true),
        (SecretError::Unreadable { secret: secret(), error: rejected(403) }.into(), true),
        (DatabaseError::interrupted().into(), true),
        (PlanError::Partitioned { table: "t".into() }.into(), true),
        (elsewhere.into(), true),
        // It is the policy that isn't known, or the API server that is away.
        (TableError::DeletionUnclear(mistake), false),
        (TableError::ObjectUnknown(rejected(500)), false),
    ] {
        let (kept, deleted) = (error.message(false), error.message(true));
        assert_eq!(kept, error.to_string());
        assert!(
            deleted.starts_with(&kept) && deleted.contains("set deletionPolicy: Retain") == helps,
            "{deleted}"
        );
    }
}

#[test]
fn a_name_that_is_taken_at_the_second_look_is_a_conflict() {
    let taken = |code: &str| {
        TableError::Database(DatabaseError {
            code: Some(code.into()),
            stale: true,
            ..DatabaseError::of_the_object("relation t_pkey already exists".into())
        })
    };
    assert!(taken("42P07").is_stale());
    let error = taken("42P07").again();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Environment, ConditionReason::Conflict));
    assert!(!error.is_stale());
    assert_eq!(taken("42P06").again(), taken("42P06"));
}
