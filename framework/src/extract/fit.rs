//! What arguments and replies ask of a kind, as traits of korf: the compiler says their words where a kind doesn't have it.

use kube::core::object::{HasSpec, HasStatus};

/// This very kind.
#[diagnostic::on_unimplemented(
    message = "this handler is for objects of the kind `{Self}`, not of `{K}`",
    label = "the kind is `{Self}`"
)]
pub trait IsKind<K> {}

impl<K> IsKind<K> for K {}

/// A kind with this spec.
#[diagnostic::on_unimplemented(
    message = "`{T}` is not the spec of `{Self}`",
    label = "not the spec of `{Self}`",
    note = "the spec is the type that has `#[derive(CustomResource)]`; of other kinds, such as those of `k8s_openapi`, take \
            `Object<{Self}>`"
)]
pub trait SpecIs<T> {}

#[diagnostic::do_not_recommend]
impl<K: HasSpec<Spec = T>, T> SpecIs<T> for K {}

/// A kind with this status.
#[diagnostic::on_unimplemented(
    message = "`{T}` is not the status of `{Self}`",
    label = "not the status of `{Self}`",
    note = "the status is the type that `#[kube(status = \"…\")]` names; of other kinds, such as those of `k8s_openapi`, take \
            `Object<{Self}>`, and write the status by an `ObjectPatch`"
)]
pub trait StatusIs<T> {}

#[diagnostic::do_not_recommend]
impl<K: HasStatus<Status = T>, T> StatusIs<T> for K {}
