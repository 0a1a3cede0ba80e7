use super::*;
use kube::core::Status;

fn refused(code: u16) -> ApiError {
    let status =
        Status { code, message: "it is\nforbidden".into(), reason: "Forbidden".into(), ..Status::default() };
    kube::Error::Api(status.boxed()).into()
}

#[test]
fn a_cluster_that_does_not_tell_is_asked_again_soon_whether_it_may_not_or_can_not() {
    for make in [TableError::NoName, TableError::NoObject] {
        for (error, class, reason) in [
            (refused(403), Class::Temporary, Reason::PermissionDenied),
            (refused(401), Class::Temporary, Reason::PermissionDenied),
            (refused(500), Class::Temporary, Reason::ClusterUnavailable),
            (ApiError::new("no answer"), Class::Temporary, Reason::ClusterUnavailable),
        ] {
            let error = make(error);
            assert_eq!((error.class(), error.reason()), (class, reason), "{error}");
        }
    }
    let text = TableError::NoName(refused(403)).to_string();
    assert!(text.contains("can't be read (it is; forbidden): grant the operator `get`"), "{text}");
}
