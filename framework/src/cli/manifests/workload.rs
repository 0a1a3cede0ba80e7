//! Workload: the operator's ServiceAccount and Deployment, and what belongs to its pods.

use super::{super::installation::SecretUse, Site};
use serde_json::{Value, json};

/// The port of `--health-addr` and `--metrics-addr`.
const PORT: u16 = 8080;

/// The user and the group of the process: `nonroot` of distroless images.
const USER: u32 = 65532;

/// The folder of the files of Secrets.
const SECRETS: &str = "/etc/korf/secrets";

/// What Kubernetes takes for the start if nothing else is said, in seconds.
const STARTUP: u64 = 30;

/// The time between two questions whether the operator has started, in seconds.
const STARTUP_PERIOD: u64 = 5;

impl Site {
    pub(super) fn labels(&self) -> Value {
        let mut labels = json!({"app.kubernetes.io/name": self.name});
        if !self.version.is_empty() {
            labels["app.kubernetes.io/version"] = self.version.into();
        }
        labels
    }

    /// The labels by which its pods are found, which never change.
    fn selector(&self) -> Value {
        json!({"app.kubernetes.io/name": self.name})
    }

    fn metadata(&self) -> Value {
        json!({"name": self.name, "namespace": self.home, "labels": self.labels()})
    }

    /// The command line.
    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["run".to_owned()];
        arguments.extend(self.all.then(|| "--all-namespaces".to_owned()));
        arguments.extend(self.given.iter().map(|list| format!("--namespace={list}")));
        match self.shards {
            Some(shards) => arguments.push(format!("--shards={shards}")),
            None => arguments.extend(self.leases.then(|| "--leader-elect".to_owned())),
        }
        arguments.extend(self.given_peering.iter().map(|name| format!("--peering={name}")));
        arguments.push(format!("--health-addr=0.0.0.0:{PORT}"));
        arguments.push(format!("--metrics-addr=0.0.0.0:{PORT}"));
        arguments
    }
}

/// The identity of the pods.
pub fn service_account(site: &Site) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": site.metadata()})
}

/// The pods, and what is allowed to them on the network.
pub fn of(site: &Site) -> Vec<Value> {
    let budget = (site.replicas > 1).then(|| disruption_budget(site));
    [service(site), network_policy(site)].into_iter().chain(budget).chain([deployment(site)]).collect()
}

/// When nodes are drained, one replica goes at a time.
fn disruption_budget(site: &Site) -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": site.metadata(),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": site.selector()}},
    })
}

/// An address for those who ask for health and metrics.
fn service(site: &Site) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": site.metadata(),
        "spec": {
            "selector": site.selector(),
            "ports": [{"name": "http", "port": PORT, "targetPort": "http"}],
        },
    })
}

fn deployment(site: &Site) -> Value {
    let grace = site.grace.as_secs().saturating_add(5);
    let mut pod = json!({
        "serviceAccountName": site.name,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": grace,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container(site)],
    });
    if site.replicas > 1 {
        pod["topologySpreadConstraints"] = json!([{
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": site.selector()},
        }]);
    }
    let files: Vec<_> = site.installation.secrets.iter().filter(|secret| secret.is_file).collect();
    if !files.is_empty() {
        // The group that may read the files.
        pod["securityContext"]["fsGroup"] = USER.into();
        let items = files.iter().map(|secret| json!({"key": secret.key, "path": secret.key}));
        let items: Vec<_> = items.collect();
        let secret = json!({"secretName": site.name, "defaultMode": 0o440, "items": items});
        pod["volumes"] = json!([{"name": "secrets", "secret": secret}]);
    }
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": site.metadata(),
        "spec": {
            "replicas": site.replicas,
            // Without an election, never two at a time.
            "strategy": {"type": if site.leases { "RollingUpdate" } else { "Recreate" }},
            "selector": {"matchLabels": site.selector()},
            "template": {"metadata": {"labels": site.labels()}, "spec": pod},
        },
    })
}

fn container(site: &Site) -> Value {
    let probe = |path: &str| json!({"httpGet": {"path": path, "port": "http"}});
    let startup = site.installation.startup.map_or(STARTUP, |longest| longest.as_secs());
    let mut starting = probe("/livez");
    starting["periodSeconds"] = STARTUP_PERIOD.into();
    starting["failureThreshold"] = startup.div_ceil(STARTUP_PERIOD).max(1).into();
    let mut container = json!({
        "name": "operator",
        "image": site.image,
        "args": site.arguments(),
        "ports": [{"name": "http", "containerPort": PORT}],
        "startupProbe": starting,
        "livenessProbe": probe("/livez"),
        "readinessProbe": probe("/readyz"),
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
    });
    let secrets = &site.installation.secrets;
    // A container that begins again is the same peer.
    let pod = json!({"name": "POD_ID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}});
    let variables = secrets.iter().map(|secret| variable(secret, site));
    let variables: Vec<_> = variables.chain(site.peering.iter().map(|_| pod.clone())).collect();
    if !variables.is_empty() {
        container["env"] = variables.into();
    }
    if secrets.iter().any(|secret| secret.is_file) {
        // Not by subPath: such a file never follows its Secret.
        container["volumeMounts"] = json!([{"name": "secrets", "mountPath": SECRETS, "readOnly": true}]);
    }
    container
}

fn variable(secret: &SecretUse, site: &Site) -> Value {
    let SecretUse { variable, key, is_file } = secret;
    if *is_file {
        return json!({"name": variable, "value": format!("{SECRETS}/{key}")});
    }
    json!({"name": variable, "valueFrom": {"secretKeyRef": {"name": site.name, "key": key}}})
}

/// Who may connect to the pods: those that ask for their health. Whom they may connect to: DNS, the API server, and what the
/// program says.
fn network_policy(site: &Site) -> Value {
    let tcp = |port: u16| json!({"protocol": "TCP", "port": port});
    // The API server is behind a Service; after its address was translated, it is at 6443 mostly.
    let servers = [443, 6443].into_iter().chain(site.installation.ports.iter().copied());
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": site.metadata(),
        "spec": {
            "podSelector": {"matchLabels": site.selector()},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"ports": [tcp(PORT)]}],
            "egress": [
                {"ports": [{"protocol": "UDP", "port": 53}, tcp(53)]},
                {"ports": servers.map(tcp).collect::<Vec<_>>()},
            ],
        },
    })
}
