use super::*;
use kube::core::Status;

fn refused(code: u16) -> Unread {
    let status =
        Status { code, message: "it is\nforbidden".into(), reason: "Forbidden".into(), ..Status::default() };
    kube::Error::Api(status.boxed()).into()
}

#[test]
fn a_cluster_that_does_not_tell_is_asked_again_soon_whether_it_may_not_or_can_not() {
    for make in [TableError::NoName, TableError::NoObject] {
        for (unread, class, reason) in [
            (refused(403), Class::Temporary, Reason::PermissionDenied),
            (refused(401), Class::Temporary, Reason::PermissionDenied),
            (refused(500), Class::Temporary, Reason::ClusterUnavailable),
            (Unread::because("no answer".into()), Class::Temporary, Reason::ClusterUnavailable),
        ] {
            let error = make(unread);
            assert_eq!((error.class(), error.reason()), (class, reason), "{error}");
        }
    }
    let text = TableError::NoName(refused(403)).to_string();
    assert!(text.contains("can't be read (it is; forbidden): grant the operator `get`"), "{text}");
}

#[test]
fn causes_are_told_once_and_in_one_line() {
    #[derive(Debug, thiserror::Error)]
    #[error("outer\nline")]
    struct Outer(#[source] Middle);
    #[derive(Debug, thiserror::Error)]
    #[error("middle: {0}")]
    struct Middle(#[source] std::fmt::Error);
    assert_eq!(chain(&Outer(Middle(std::fmt::Error))), format!("outer; line: middle: {}", std::fmt::Error));
}
