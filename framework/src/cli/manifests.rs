//! Command `manifests`: all that an operator needs to run in a cluster, for `kubectl apply -f -`.

pub(super) mod grants;
mod roles;
mod workload;

use super::{Program, crd, installation::Installation};
use crate::{
    core::{
        namespaces::{NamespaceList, NamespaceSet},
        shard::Shards,
    },
    operator::Operator,
    runtime::Namespaces,
};
use serde_json::Value;
use std::{
    io::{self, Write},
    time::Duration,
};

/// What the manifests depend on besides the handlers.
#[derive(Debug, clap::Args)]
pub(super) struct Manifests {
    /// Serve this namespace alone; may be repeated, and be a list with globs, as for `run`
    ///
    /// Named namespaces need a Role in each of them, which must exist; globs need a ClusterRole.
    #[arg(short, long = "namespace", value_name = "NAMESPACE", value_parser = super::arguments::namespaces)]
    pub named: Vec<String>,
    /// Serve all namespaces; so it is without --namespace, too, unless the program says otherwise
    #[arg(short = 'A', long = "all-namespaces")]
    pub all: bool,
    /// The namespace in which the operator itself runs
    #[arg(long, value_name = "NAMESPACE", default_value = "default", value_parser = namespace)]
    pub operator_namespace: String,
    /// The image with the operator, as its entrypoint; without it, the Deployment has a placeholder
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// The number of replicas, by default what the program says, or one; several have --leader-elect
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    pub replicas: Option<u16>,
    /// Let one replica of several work at a time, as for `run`; for a single replica, the next one stands by during an update
    #[arg(long)]
    pub leader_elect: bool,
    /// Divide the objects into this many shards, as for `run`; that includes --leader-elect
    #[arg(long, value_name = "NUMBER")]
    pub shards: Option<Shards>,
    /// Take part in the peering of this name, as for `run`
    #[arg(short = 'P', long, value_name = "NAME", value_parser = super::peering::peering)]
    pub peering: Option<String>,
}

impl Manifests {
    /// What contradicts itself.
    pub fn contradiction(&self) -> Option<String> {
        if self.all && !self.named.is_empty() {
            return Some("either --namespace or --all-namespaces can be used, not both".to_owned());
        }
        NamespaceSet::parse(&self.named).err().map(|error| error.to_string())
    }
}

/// The name of one namespace.
pub(super) fn namespace(text: &str) -> Result<String, String> {
    let list: NamespaceList = text.parse().map_err(|error| format!("{error}"))?;
    let is_one = NamespaceSet::parse([text]).is_ok_and(|set| !set.has_globs() && set.names().len() == 1);
    if is_one && list.to_string() == text {
        Ok(text.to_owned())
    } else {
        Err("expected the name of one namespace".to_owned())
    }
}

/// Where and how an operator is to run.
#[derive(Clone, Debug)]
pub(super) struct Site {
    name: String,
    version: &'static str,
    image: String,
    /// The namespace that it runs in.
    pub home: String,
    /// The lists of namespaces that `run` is given; none: as the program says.
    given: Vec<String>,
    all: bool,
    /// The namespaces that are served; none: all.
    pub served: Option<NamespaceSet>,
    replicas: u16,
    /// The replicas elect who works.
    leases: bool,
    /// The number of shards that `run` is given.
    shards: Option<u16>,
    /// The peering that `run` is given.
    given_peering: Option<String>,
    /// The peering that it takes part in, or may.
    peering: Option<String>,
    /// Progress and diff-bases are, or may be, in the status of the objects.
    in_status: bool,
    /// The time that handlers have when the operator is told to stop.
    grace: Duration,
    installation: Installation,
}

impl Site {
    pub fn new(program: &Program, options: &Manifests) -> Result<Self, String> {
        let operator = &program.operator;
        let (name, version) = (operator.name().to_owned(), program.version);
        let served = served(operator, options)?;
        let replicas = options.replicas.or(program.installation.replicas).unwrap_or(1);
        let shards = options.shards.map(Shards::number);
        Ok(Self {
            image: options.image.clone().unwrap_or_else(|| placeholder(&name, version)),
            version,
            home: options.operator_namespace.clone(),
            given: options.named.clone(),
            all: served.is_none(),
            served,
            replicas,
            leases: replicas > 1 || options.leader_elect || shards.is_some() || operator.elects(),
            shards,
            given_peering: options.peering.clone(),
            peering: options.peering.clone().or_else(|| operator.known_peering().map(str::to_owned)),
            in_status: operator.may_store_in_status(),
            grace: operator.known_grace(),
            installation: program.installation.clone(),
            name,
        })
    }
}

fn served(operator: &Operator, options: &Manifests) -> Result<Option<NamespaceSet>, String> {
    if !options.named.is_empty() {
        return NamespaceSet::parse(&options.named).map(Some).map_err(|error| error.to_string());
    }
    match operator.served_namespaces() {
        Ok(Namespaces::Some(set)) if !options.all => Ok(Some(set.clone())),
        Err(error) if !options.all => Err(error.to_string()),
        _ => Ok(None),
    }
}

/// An image that doesn't exist.
fn placeholder(name: &str, version: &str) -> String {
    let tag = if version.is_empty() { "latest" } else { version };
    format!("ghcr.io/your-organization/{name}:{tag}")
}

/// All objects as YAML documents, in the order in which they are to be created.
pub(super) fn print(
    program: &Program,
    options: &Manifests,
    out: &mut impl Write,
    notes: &mut impl Write,
) -> io::Result<()> {
    let site = Site::new(program, options).map_err(io::Error::other)?;
    let registry = program.operator.registry();
    if options.image.is_none() {
        writeln!(notes, "The image {} is a placeholder: say --image.", site.image)?;
    }
    crd::print(registry, out, notes)?;
    for yaml in &site.installation.manifests {
        write!(out, "---\n{}\n", yaml.trim_end())?;
    }
    for object in objects(&site, grants::of(registry, &site)) {
        let yaml = serde_saphyr::to_string(&object).map_err(io::Error::other)?;
        write!(out, "---\n{}\n", yaml.trim_end())?;
    }
    Ok(())
}

/// All objects but the definitions of kinds.
fn objects(site: &Site, grants: Vec<grants::Grant>) -> Vec<Value> {
    let mut objects = vec![workload::service_account(site)];
    objects.extend(roles::of(grants, site));
    objects.extend(workload::of(site));
    objects
}

#[cfg(test)]
mod tests;
