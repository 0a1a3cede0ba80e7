use super::*;
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
