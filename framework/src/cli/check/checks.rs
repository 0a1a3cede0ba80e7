//! Checks: those of the program itself, what they may ask of the cluster, and where they tell what they find.

use super::{
    Finding,
    cluster::Place,
    finding::Report,
    manifests::Site,
    permissions::{Account, Permission},
};
use crate::operator::Inspection;
use kube::{
    Api, Client, ResourceExt,
    api::ListParams,
    core::{ApiResource, DynamicObject},
};
use std::{
    fmt,
    process::ExitCode,
    sync::{Mutex, PoisonError},
};

/// The objects of one page of a list.
const PAGE: u32 = 500;

/// The checks of the program itself, for the command `check`: what they find they [`report`](Checks::report).
#[derive(Debug, Default)]
pub struct Checks {
    report: Mutex<Report>,
    pub(super) site: Option<CheckedSite>,
}

/// Where the operator would run, and as whom, as far as that could be asked.
pub(super) struct CheckedSite {
    pub inspection: Inspection,
    pub site: Site,
    pub account: Option<Account>,
}

impl CheckedSite {
    pub fn place(&self) -> Place<'_> {
        Place { inspection: &self.inspection, site: &self.site }
    }
}

impl fmt::Debug for CheckedSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CheckedSite")
    }
}

impl Checks {
    /// Prints a line. Where one has failed, the command fails.
    pub fn report(&self, finding: Finding) {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).add(finding);
    }

    /// The API server as the one sees it who calls the command; `None` if it can't be asked, which a line has told.
    pub fn client(&self) -> Option<&Client> {
        self.site.as_ref().map(|site| &site.inspection.client)
    }

    /// The objects of a kind in the namespaces that the operator would serve; none if the kind isn't there, or the API server can't be
    /// asked, since a line has told that.
    ///
    /// # Errors
    /// Why the API server doesn't list them, in one line.
    pub async fn objects(&self, kind: &ApiResource) -> Result<Vec<DynamicObject>, String> {
        let Some(CheckedSite { inspection, site, .. }) = &self.site else { return Ok(Vec::new()) };
        let client = || inspection.client.clone();
        let named = site.served.as_ref().filter(|served| !served.has_globs());
        let apis = match named {
            Some(served) => {
                let of = |name: &String| Api::namespaced_with(client(), name, kind);
                served.names().iter().map(of).collect()
            }
            None => vec![Api::<DynamicObject>::all_with(client(), kind)],
        };
        let mut found = Vec::new();
        for api in apis {
            let mut page = ListParams::default().limit(PAGE);
            loop {
                let listed = match inspection.answered(api.list(&page)).await {
                    Err(unanswered) if unanswered.code == Some(404) => break,
                    listed => listed?,
                };
                found.extend(listed.items);
                match listed.metadata.continue_.filter(|token| !token.is_empty()) {
                    Some(token) => page = page.continue_token(&token),
                    None => break,
                }
            }
        }
        let is_served = |object: &DynamicObject| {
            let namespace = object.namespace().unwrap_or_default();
            site.served.as_ref().is_none_or(|served| served.admits(&namespace))
        };
        found.retain(is_served);
        Ok(found)
    }

    /// Whether `--service-account` may get an object, or else the one who calls the command.
    ///
    /// # Errors
    /// Why the API server doesn't tell, in one line.
    pub async fn may_get(&self, kind: &ApiResource, namespace: &str, name: &str) -> Result<bool, String> {
        let Some(site) = &self.site else { return Err("the API server can't be asked".to_owned()) };
        let permission = Permission {
            group: kind.group.clone(),
            resource: kind.plural.clone(),
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            verb: "get".to_owned(),
        };
        Ok(site.place().is_allowed(&permission, site.account.as_ref()).await?)
    }

    /// Whose permissions count: `you`, or `service account NAMESPACE/NAME`.
    pub fn account(&self) -> String {
        let account = self.site.as_ref().and_then(|site| site.account.as_ref());
        account.map_or_else(|| "you".to_owned(), Account::to_string)
    }

    /// The exit code of the command.
    pub(super) fn end(self) -> ExitCode {
        self.report.into_inner().unwrap_or_else(PoisonError::into_inner).end()
    }
}
