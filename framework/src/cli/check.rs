//! Command `check`: whether an operator can run here, one line for each thing that was looked at.

mod checks;
mod cluster;
mod finding;
mod permissions;

pub use checks::Checks;
pub use finding::Finding;

use super::{
    Program,
    arguments::Namespaces,
    leases::Leases,
    manifests::{self, Manifests, Site, grants},
};
use crate::runtime::own_namespace;
use checks::CheckedSite;
use permissions::Account;
use std::process::ExitCode;

/// What is looked at, and as whom.
#[derive(Debug, clap::Args)]
pub(super) struct Check<O: clap::Args> {
    #[command(flatten)]
    pub namespaces: Namespaces,
    #[command(flatten)]
    pub leases: Leases,
    /// Take part in the peering of this name, as for `run`
    #[arg(short = 'P', long, value_name = "NAME", env = "KORF_RUN_PEERING", value_parser = super::peering::peering)]
    pub peering: Option<String>,
    /// Look at the permissions of this service account, not at one's own; for that, one has to be allowed to create
    /// subjectaccessreviews
    #[arg(long, value_name = "NAMESPACE/NAME")]
    pub service_account: Option<Account>,
    #[command(flatten)]
    pub own: O,
}

impl<O: clap::Args> Check<O> {
    /// An installation that would run as these options say.
    fn manifests(&self) -> Manifests {
        Manifests {
            named: self.namespaces.named.clone(),
            all: self.namespaces.all,
            operator_namespace: self.leases.lease_namespace.clone().unwrap_or_else(|| "default".to_owned()),
            image: None,
            replicas: Some(1),
            leader_elect: self.leases.leader_elect,
            shards: self.leases.shards,
            peering: self.peering.clone(),
        }
    }
}

/// Looks, and prints what was found.
pub(super) fn check<O: clap::Args>(
    program: Program,
    options: Check<O>,
    own: impl AsyncFnOnce(O, &Checks),
) -> ExitCode {
    super::in_runtime(async {
        let mut checks = Checks::default();
        checks.site = of_cluster(program, &options, &checks).await;
        own(options.own, &checks).await;
        checks.end()
    })
}

/// Looks at the API server, the namespaces, the kinds and the permissions. Returns what was found there, if the API server answers.
async fn of_cluster<O: clap::Args>(
    program: Program,
    options: &Check<O>,
    checks: &Checks,
) -> Option<CheckedSite> {
    let fail = |subject, why| {
        checks.report(Finding::failed(subject, why));
        None
    };
    let mut site = match Site::new(&program, &options.manifests()) {
        Ok(site) => site,
        Err(why) => return fail("options", why),
    };
    let inspection = match program.operator.inspect().await {
        Ok(inspection) => inspection,
        Err(error) => return fail("cluster", error.to_string()),
    };
    // Where its Leases are, unless the options say so.
    if options.leases.lease_namespace.is_none() {
        let of_account = options.service_account.as_ref().map(|account| account.namespace.clone());
        site.home = of_account.unwrap_or_else(|| own_namespace(&inspection.client));
    }
    let grants = grants::of(&inspection.registry, &site);
    let found = CheckedSite { inspection, site, account: options.service_account.clone() };
    let place = found.place();
    let (finding, reached) = place.version().await;
    checks.report(finding);
    if !reached {
        return None;
    }
    let report_all = |findings: Vec<Finding>| findings.into_iter().for_each(|finding| checks.report(finding));
    report_all(place.namespaces().await);
    report_all(place.kinds().await);
    report_all(place.permissions(grants, options.service_account.as_ref()).await);
    Some(found)
}
