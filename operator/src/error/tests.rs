use super::*;
use kube::core::Status;

fn refused(code: u16) -> ApiError {
    let status =
        Status { code, message: "it is\nforbidden".into(), reason: "Forbidden".into(), ..Status::default() };
    kube::Error::Api(status.boxed()).into()
}

#[test]
fn a_cluster_that_does_not_tell_is_asked_again_soon_whether_it_may_not_or_can_not() {
    for make in [TableError::ClusterUnknown, TableError::ObjectUnknown] {
        for (error, class, reason) in [
            (refused(403), ErrorClass::Temporary, ConditionReason::PermissionDenied),
            (refused(401), ErrorClass::Temporary, ConditionReason::PermissionDenied),
            (refused(500), ErrorClass::Temporary, ConditionReason::ClusterUnavailable),
            (ApiError::new("no answer"), ErrorClass::Temporary, ConditionReason::ClusterUnavailable),
        ] {
            let error = make(error);
            assert_eq!((error.class(), error.reason()), (class, reason), "{error}");
        }
    }
    let text = TableError::ClusterUnknown(refused(403)).to_string();
    assert!(text.contains("can't be read (it is; forbidden): grant the operator `get`"), "{text}");
}
