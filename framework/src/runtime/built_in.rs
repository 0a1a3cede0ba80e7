//! Built-in API groups of Kubernetes.

/// The groups of Kubernetes itself that have a domain, as the crate `k8s-openapi` has them. All of them end in `.k8s.io`, but
/// so do those of some custom kinds (`gateway.networking.k8s.io`).
const GROUPS: [&str; 18] = [
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// Whether the kinds of a group come with Kubernetes, and not by a CRD, whose group has to have a dot.
pub fn is_built_in(group: &str) -> bool {
    !group.contains('.') || GROUPS.contains(&group)
}

#[cfg(test)]
mod tests {
    use super::is_built_in;

    #[test]
    fn custom_kinds_are_told_from_those_of_kubernetes() {
        let cases = [
            ("", true),
            ("apps", true),
            ("networking.k8s.io", true),
            ("gateway.networking.k8s.io", false),
            ("cluster.x-k8s.io", false),
            ("kopf.dev", false),
        ];
        for (group, built_in) in cases {
            assert_eq!(is_built_in(group), built_in, "{group:?}");
        }
    }
}
