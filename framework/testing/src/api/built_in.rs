//! Built-in kinds of Kubernetes, in the versions that are stable.

use super::served::ServedKind;
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};

/// Whether the objects of a scope are namespaced.
trait Scope {
    const NAMESPACED: bool;
}

impl Scope for ClusterResourceScope {
    const NAMESPACED: bool = false;
}

impl Scope for NamespaceResourceScope {
    const NAMESPACED: bool = true;
}

fn kind<K>() -> ServedKind
where
    K: k8s_openapi::Resource<Scope: Scope> + kube::Resource<DynamicType = ()>,
{
    ServedKind::built_in::<K>(<<K as k8s_openapi::Resource>::Scope as Scope>::NAMESPACED)
}

/// Kinds by their modules in `k8s_openapi`, which knows their names and scopes.
macro_rules! kinds {
    ($($($module:ident)::+ { $($kind:ident),+ $(,)? })+) => {
        [$({
            use k8s_openapi::$($module)::+::{$($kind),+};
            vec![$(kind::<$kind>()),+]
        }),+]
    };
}

/// All of them. Reviews and the like, which are never stored, are no part of it.
pub(super) fn all() -> impl IntoIterator<Item = ServedKind> {
    let kinds = kinds! {
        api::admissionregistration::v1 {
            MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
            ValidatingWebhookConfiguration,
        }
        api::apps::v1 { ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet }
        api::autoscaling::v2 { HorizontalPodAutoscaler }
        api::batch::v1 { CronJob, Job }
        api::certificates::v1 { CertificateSigningRequest }
        api::coordination::v1 { Lease }
        api::core::v1 {
            ConfigMap, Endpoints, Event, LimitRange, Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod,
            PodTemplate, ReplicationController, ResourceQuota, Secret, Service, ServiceAccount,
        }
        api::discovery::v1 { EndpointSlice }
        api::events::v1 { Event }
        api::flowcontrol::v1 { FlowSchema, PriorityLevelConfiguration }
        api::networking::v1 { IPAddress, Ingress, IngressClass, NetworkPolicy, ServiceCIDR }
        api::node::v1 { RuntimeClass }
        api::policy::v1 { PodDisruptionBudget }
        api::rbac::v1 { ClusterRole, ClusterRoleBinding, Role, RoleBinding }
        api::scheduling::v1 { PriorityClass }
        apiextensions_apiserver::pkg::apis::apiextensions::v1 { CustomResourceDefinition }
        kube_aggregator::pkg::apis::apiregistration::v1 { APIService }
        api::storage::v1 { CSIDriver, CSINode, CSIStorageCapacity, StorageClass, VolumeAttachment }
    };
    kinds.into_iter().flatten()
}
