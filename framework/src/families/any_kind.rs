//! Any kind: event handlers for several kinds, for which the API server is asked while the operator runs.

use super::{Kind, WatchEvent};
use crate::builder::{HandlerBuilder, KubeKind};
use kube::core::ApiResource;
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// What stands for each part of the names of any kind.
const ANY: &str = "*";

/// All kinds that can be listed and watched, instead of one: of [`on_event`](macro@crate::on_event#several-kinds) handlers.
#[derive(Clone, Copy, Debug)]
pub struct AnyKind;

/// What an event handler is for: a kind as a Rust type, or [`AnyKind`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a kind of Kubernetes objects",
    label = "not a kind",
    note = "a kind is the type that `#[derive(CustomResource)]` makes of a spec (`kind = \"…\"`), or one of `k8s_openapi`'s; \
            `korf::AnyKind` is for all kinds"
)]
pub trait EventKind: 'static {
    /// Its names.
    #[doc(hidden)]
    fn kind() -> Kind;

    /// The kinds that it stands for, if there are several.
    #[doc(hidden)]
    fn selection() -> Option<KindSelection>;
}

#[diagnostic::do_not_recommend]
impl<K: KubeKind> EventKind for K {
    fn kind() -> Kind {
        Kind::of::<K>()
    }

    fn selection() -> Option<KindSelection> {
        None
    }
}

impl EventKind for AnyKind {
    fn kind() -> Kind {
        Kind::any()
    }

    fn selection() -> Option<KindSelection> {
        Some(KindSelection::default())
    }
}

impl Kind {
    fn any() -> Self {
        let any = || ANY.to_owned();
        let kind = "AnyKind".to_owned();
        let resource = ApiResource { group: any(), version: any(), api_version: any(), kind, plural: any() };
        Self { resource, definition: None, scope: None }
    }

    /// Whether it stands for all kinds.
    #[doc(hidden)]
    pub fn is_any(&self) -> bool {
        self.resource.plural == ANY
    }
}

/// The kinds that a handler of [`AnyKind`] is for.
#[derive(Clone, Default)]
pub struct KindSelection {
    pub(crate) category: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) condition: Option<KindCondition>,
}

/// Whether a kind is meant.
pub(crate) type KindCondition = Arc<dyn Fn(&ApiResource) -> bool + Send + Sync>;

impl KindSelection {
    /// Whether it has a kind with such names, if it has its categories, too. A condition that panics doesn't hold.
    pub(crate) fn may_have(&self, resource: &ApiResource) -> bool {
        self.group.as_ref().is_none_or(|group| *group == resource.group)
            && self
                .condition
                .as_ref()
                .is_none_or(|holds| catch_unwind(AssertUnwindSafe(|| holds(resource))).unwrap_or_default())
    }

    /// Whether it has kinds in these categories.
    pub(crate) fn has_one_of(&self, categories: &[String]) -> bool {
        self.category.as_ref().is_none_or(|category| categories.contains(category))
    }
}

impl fmt::Debug for KindSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KindSelection")
            .field("category", &self.category)
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

impl HandlerBuilder<WatchEvent<AnyKind>> {
    /// Only kinds of this category: `all`, as in `kubectl get all`.
    pub fn category(self, category: impl Into<String>) -> Self {
        self.selecting(|kinds| kinds.category = Some(category.into()))
    }

    /// Only kinds of this API group: `apps`; that of pods and other core kinds is empty.
    pub fn group(self, group: impl Into<String>) -> Self {
        self.selecting(|kinds| kinds.group = Some(group.into()))
    }

    /// Only kinds for which this holds. It is asked whenever other kinds are served than before.
    pub fn kinds(self, condition: impl Fn(&ApiResource) -> bool + Send + Sync + 'static) -> Self {
        self.selecting(|kinds| kinds.condition = Some(Arc::new(condition)))
    }

    fn selecting(mut self, select: impl FnOnce(&mut KindSelection)) -> Self {
        select(self.options.get_or_insert_default());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};

    #[test]
    fn a_selection_has_the_kinds_that_fit_all_of_it() {
        let (pod, deployment) = (ApiResource::erase::<Pod>(&()), ApiResource::erase::<Deployment>(&()));
        let of_group = |group: &str| KindSelection { group: Some(group.into()), ..KindSelection::default() };
        let by = |condition: fn(&ApiResource) -> bool| KindSelection {
            condition: Some(Arc::new(condition)),
            ..KindSelection::default()
        };
        for (selection, pods, deployments) in [
            (KindSelection::default(), true, true),
            (of_group("apps"), false, true),
            (of_group(""), true, false),
            (by(|resource| resource.plural == "pods"), true, false),
            (by(|_| panic!("of a condition, which holds for nothing then")), false, false),
        ] {
            let found = (selection.may_have(&pod), selection.may_have(&deployment));
            assert_eq!(found, (pods, deployments), "{selection:?}");
        }
        let all = KindSelection { category: Some("all".into()), ..KindSelection::default() };
        assert!(all.has_one_of(&["all".into()]) && !all.has_one_of(&["everything".into()]));
        assert!(KindSelection::default().has_one_of(&[]));
    }
}
