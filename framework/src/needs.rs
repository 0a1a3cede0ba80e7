//! Needs: the permissions that handlers need, as far as their arguments, their results and they themselves tell.

use crate::{
    builder::KubeKind,
    families::{SourceLocation, scope_of},
};
use kube::{core::ApiResource, discovery::Scope};

/// A permission that handlers need for requests of their own: declared beside a function by
/// [`#[korf::needs(…)]`](macro@crate::needs), or by a builder. The command `manifests` grants it.
///
/// ```
/// use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
/// use korf::{handler::Need, on_create};
///
/// let handler = on_create::<ConfigMap>("fill")
///     .needs(Need::of::<Secret>(["get", "create"]))
///     .needs(Need::of::<Namespace>(["get"]).named("kube-system"))
///     .run(async || {});
/// ```
///
/// It holds in the namespaces that the operator serves; for a cluster-scoped kind, in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    pub(crate) group: String,
    /// The plural of the kind, and a slash and a subresource.
    pub(crate) resource: String,
    pub(crate) verbs: Vec<String>,
    /// The names of the objects; none: all.
    pub(crate) names: Vec<String>,
    pub(crate) place: NeedPlace,
    /// The name of the only operator that has it.
    pub(crate) operator: Option<String>,
    pub(crate) location: SourceLocation,
}

/// Where a permission is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NeedPlace {
    /// In the namespaces that the operator serves.
    Served,
    /// In one namespace.
    Namespace(String),
    /// In the whole cluster.
    Cluster,
}

impl Need {
    /// These verbs for objects of kind `K`: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`,
    /// `deletecollection`.
    #[track_caller]
    pub fn of<K: KubeKind>(verbs: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let resource = ApiResource::erase::<K>(&());
        let place = match scope_of::<K>() {
            Some(Scope::Cluster) => NeedPlace::Cluster,
            _ => NeedPlace::Served,
        };
        let place_in_source = std::panic::Location::caller();
        Self {
            group: resource.group,
            resource: resource.plural,
            verbs: verbs.into_iter().map(Into::into).collect(),
            names: Vec::new(),
            place,
            operator: None,
            location: SourceLocation {
                file: place_in_source.file(),
                line: place_in_source.line(),
                column: place_in_source.column(),
            },
        }
    }

    /// For this subresource of the objects, instead of the objects themselves: `status`, `log`.
    #[must_use]
    pub fn subresource(mut self, name: &str) -> Self {
        self.resource = format!("{}/{name}", self.resource);
        self
    }

    /// Only for the object of this name; further calls add names. Kubernetes can't tell the name of an object that is being
    /// created, so `create` can't be restricted so.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// In this namespace, instead of those that the operator serves.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.place = NeedPlace::Namespace(namespace.into());
        self
    }

    /// In all namespaces, even where the operator serves some alone.
    #[must_use]
    pub fn everywhere(mut self) -> Self {
        self.place = NeedPlace::Cluster;
        self
    }

    /// Only operators of this name have it.
    #[must_use]
    pub fn operator(mut self, name: impl Into<String>) -> Self {
        self.operator = Some(name.into());
        self
    }

    /// For attributes.
    #[doc(hidden)]
    #[must_use]
    pub fn location(mut self, file: &'static str, line: u32, column: u32) -> Self {
        self.location = SourceLocation { file, line, column };
        self
    }
}

/// What a handler may do by its arguments and its result, and the permissions that it declares.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    /// It may change its object.
    pub patches: bool,
    /// It may return something that is written into the status.
    pub replies: bool,
    /// It may post Kubernetes Events.
    pub events: bool,
    pub needs: Vec<Need>,
    /// Its arguments and its result are known.
    declared: bool,
}

impl Access {
    /// Takes in that all arguments are known, and whether the result may be written.
    pub fn declare(&mut self, replies: bool) {
        (self.declared, self.replies) = (true, replies);
    }

    /// A handler of which nothing is known may do everything.
    pub fn close(&mut self) {
        if !self.declared {
            (self.patches, self.replies, self.events) = (true, true, true);
        }
    }

    pub fn extend(&mut self, other: Self) {
        self.patches |= other.patches;
        self.events |= other.events;
        self.needs.extend(other.needs);
    }
}
