//! The kinds that the server serves.

use super::{built_in, schema, shape::Shape, target::GroupResource};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use korf::handler::Kind;
use kube::{CustomResourceExt, Resource, core::ApiResource};
use serde_json::{Value, json};

/// A kind, as the server serves it.
#[derive(Clone, Debug, PartialEq)]
pub struct ServedKind {
    /// Its names.
    pub resource: ApiResource,
    /// Whether its objects are namespaced.
    pub namespaced: bool,
    /// Whether it has a status subresource.
    pub status_subresource: bool,
    /// Whether `metadata.generation` counts.
    pub generation: bool,
    /// The categories that it is in.
    pub categories: Vec<String>,
    /// Whether it comes with Kubernetes, and not by a CRD. Then a PUT is accepted without a resource version.
    built_in: bool,
    /// The structural schema of the whole object; unknown fields are pruned by it, and defaults set.
    schema: Option<Value>,
}

/// Built-in kinds with a status subresource.
const WITH_STATUS: [&str; 26] = [
    "apiservices",
    "certificatesigningrequests",
    "cronjobs",
    "csinodes",
    "customresourcedefinitions",
    "daemonsets",
    "deployments",
    "flowschemas",
    "horizontalpodautoscalers",
    "ingresses",
    "jobs",
    "namespaces",
    "nodes",
    "persistentvolumeclaims",
    "persistentvolumes",
    "poddisruptionbudgets",
    "pods",
    "prioritylevelconfigurations",
    "replicasets",
    "replicationcontrollers",
    "resourcequotas",
    "servicecidrs",
    "services",
    "statefulsets",
    "validatingadmissionpolicies",
    "volumeattachments",
];

/// Built-in kinds in the category `all`.
const IN_ALL: [(&str, &str); 10] = [
    ("", "pods"),
    ("", "replicationcontrollers"),
    ("", "services"),
    ("apps", "daemonsets"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("autoscaling", "horizontalpodautoscalers"),
    ("batch", "cronjobs"),
    ("batch", "jobs"),
];

/// What can be done with the objects of a kind.
const VERBS: [&str; 7] = ["create", "delete", "get", "list", "patch", "update", "watch"];

impl ServedKind {
    /// A kind by its type alone: custom kinds get no schema, and count as namespaced with a status subresource.
    pub fn of<K: Resource<DynamicType = ()>>() -> Self {
        Self::by_name(ApiResource::erase::<K>(&()))
    }

    /// A custom kind by its definition.
    pub fn with_definition<K: Resource<DynamicType = ()> + CustomResourceExt>() -> Self {
        Self::by_definition(ApiResource::erase::<K>(&()), &K::crd())
    }

    /// The kind of a handler.
    pub fn for_handlers(kind: &Kind) -> Self {
        match kind.definition {
            Some(definition) => Self::by_definition(kind.resource.clone(), &definition()),
            None => Self::by_name(kind.resource.clone()),
        }
    }

    /// The same without a status subresource, or with one.
    #[must_use]
    pub fn with_status_subresource(self, present: bool) -> Self {
        Self { status_subresource: present, ..self }
    }

    /// The same in these categories.
    #[must_use]
    pub fn with_categories<'a>(self, categories: impl IntoIterator<Item = &'a str>) -> Self {
        Self { categories: categories.into_iter().map(str::to_owned).collect(), ..self }
    }

    /// The same without namespaces.
    #[must_use]
    pub fn cluster_scoped(self) -> Self {
        Self { namespaced: false, ..self }
    }

    /// The same with these status fields only: all others are pruned silently, as by the real server.
    #[must_use]
    pub fn with_status_fields<'a>(self, fields: impl IntoIterator<Item = &'a str>) -> Self {
        let open = || json!({"x-kubernetes-preserve-unknown-fields": true});
        let known: serde_json::Map<_, _> =
            fields.into_iter().map(|field| (field.to_owned(), open())).collect();
        let mut schema = self.schema.unwrap_or_else(open);
        schema["properties"]["status"] = json!({"type": "object", "properties": known});
        Self { schema: Some(schema), ..self }
    }

    /// A built-in kind, or one that is known by its names alone.
    ///
    /// Custom groups are domains of their owners; those of Kubernetes have no dot, or end in `.k8s.io`.
    fn by_name(resource: ApiResource) -> Self {
        let same =
            |known: &Self| known.resource.group == resource.group && known.resource.plural == resource.plural;
        if let Some(known) = built_in::all().into_iter().find(same) {
            return Self { resource, ..known };
        }
        let custom = resource.group.contains('.') && !resource.group.ends_with(".k8s.io");
        Self {
            namespaced: true,
            status_subresource: custom,
            generation: custom,
            categories: Vec::new(),
            built_in: !custom,
            schema: None,
            resource,
        }
    }

    pub(super) fn built_in<K: Resource<DynamicType = ()>>(namespaced: bool) -> Self {
        let resource = ApiResource::erase::<K>(&());
        let status_subresource = WITH_STATUS.contains(&resource.plural.as_str());
        let generation = status_subresource && !resource.group.is_empty();
        let is_in_all = IN_ALL.contains(&(&*resource.group, &*resource.plural));
        let categories = is_in_all.then(|| "all".to_owned()).into_iter().collect();
        Self {
            namespaced,
            status_subresource,
            generation,
            categories,
            built_in: true,
            schema: None,
            resource,
        }
    }

    /// A version of a custom kind by its definition.
    pub fn by_definition(resource: ApiResource, definition: &CustomResourceDefinition) -> Self {
        let version = definition.spec.versions.iter().find(|version| version.name == resource.version);
        let subresources = version.and_then(|version| version.subresources.as_ref());
        let schema = version.and_then(|version| version.schema.as_ref()?.open_api_v3_schema.as_ref());
        Self {
            namespaced: definition.spec.scope == "Namespaced",
            status_subresource: subresources.is_some_and(|them| them.status.is_some()),
            generation: true,
            categories: definition.spec.names.categories.clone().unwrap_or_default(),
            built_in: false,
            schema: schema.and_then(|schema| serde_json::to_value(schema).ok()),
            resource,
        }
    }

    pub(super) fn group_resource(&self) -> GroupResource {
        GroupResource { group: self.resource.group.clone(), plural: self.resource.plural.clone() }
    }

    /// `databasetables.kopf.demo`.
    pub(super) fn title(&self) -> String {
        self.in_group(&self.resource.plural)
    }

    /// `DatabaseTable.kopf.demo`, for a name of a kind.
    pub(super) fn in_group(&self, name: &str) -> String {
        let group = &self.resource.group;
        if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
    }

    pub(super) fn is_built_in(&self) -> bool {
        self.built_in
    }

    /// The shape of its objects.
    pub(super) fn shape(&self) -> Shape<'_> {
        Shape::of(self.built_in, self.schema.as_ref())
    }

    /// Prunes unknown fields, and sets defaults.
    pub(super) fn apply_schema(&self, object: &mut Value) {
        if let Some(schema) = &self.schema {
            schema::prune(object, schema, true);
            schema::set_defaults(object, schema);
        }
    }

    /// The entries of an `APIResourceList`.
    pub(super) fn discovery(&self) -> Vec<Value> {
        let entry = |name: &str, singular: &str, verbs: &[&str]| {
            json!({
                "name": name, "singularName": singular, "namespaced": self.namespaced,
                "kind": self.resource.kind, "verbs": verbs,
            })
        };
        let plural = &self.resource.plural;
        let mut entries = vec![entry(plural, &self.resource.kind.to_lowercase(), &VERBS)];
        if !self.categories.is_empty() {
            entries[0]["categories"] = self.categories.clone().into();
        }
        if self.status_subresource {
            entries.push(entry(&format!("{plural}/status"), "", &["get", "patch", "update"]));
        }
        entries
    }

    /// Its entry in an `APIGroupDiscoveryList`.
    pub(super) fn aggregated(&self) -> Value {
        let ApiResource { group, version, kind, plural, .. } = &self.resource;
        let response_kind = json!({"group": group, "version": version, "kind": kind});
        let status = json!({"subresource": "status", "responseKind": response_kind, "verbs": ["get", "patch", "update"]});
        let subresources: Vec<_> = self.status_subresource.then_some(status).into_iter().collect();
        json!({
            "resource": plural, "responseKind": response_kind, "singularResource": kind.to_lowercase(),
            "scope": if self.namespaced { "Namespaced" } else { "Cluster" }, "verbs": VERBS,
            "categories": self.categories, "subresources": subresources,
        })
    }
}
