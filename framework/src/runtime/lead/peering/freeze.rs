//! Freeze: a pause of all operators of a peering that somebody asks for, and its end.

use super::{
    identity,
    object::{self, GROUPS, PeeringObject, Site},
};
use crate::{
    runtime::{Namespaces, clock, write::explain},
    settings::Settings,
};
use k8s_openapi::api::core::v1::Namespace;
use korf_core::{
    namespaces::NamespaceSet,
    peering::{Freeze, Record, Role},
};
use kube::{Api, Client, ResourceExt, api::ListParams};
use serde_json::{Value, json};
use std::{collections::BTreeSet, error, fmt, time::Duration};
use tokio::time::timeout;

/// A pause, or its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreezeRequest {
    /// The name of the peering object.
    pub peering: String,
    /// Who asks for it; by default, the person at this machine.
    pub identity: Option<String>,
    /// The priority up to which operators pause, for how long, and why; none for the end.
    pub pause: Option<(i64, Duration, Option<String>)>,
}

/// The reason why a pause can't be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FreezeError {
    /// There is no such object.
    Missing(String),
    /// The API server can't be asked, or refuses.
    Request {
        /// What was asked for.
        what: String,
        /// Why not.
        why: String,
    },
}

impl fmt::Display for FreezeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(title) => write!(f, "there is no {title}: create it, or name another one"),
            Self::Request { what, why } => write!(f, "{what} can't be used: {why}"),
        }
    }
}

impl error::Error for FreezeError {}

impl FreezeRequest {
    /// Writes it to all objects of that name, and returns which these are.
    ///
    /// # Errors
    /// There is none, or the API server doesn't take it.
    pub async fn ask(
        self,
        client: &Client,
        operator: &str,
        namespaces: &Namespaces,
        settings: &Settings,
    ) -> Result<Vec<String>, FreezeError> {
        let identity = self.identity.unwrap_or_else(|| identity::of_person(operator));
        let record = self.pause.map_or(Value::Null, |(priority, lifetime, message)| {
            let (seen, role) = (Some(clock::now()), Role::Freeze(Freeze { message }));
            Record { priority, lifetime, seen, role }.to_json()
        });
        let patch = json!({"status": {identity: record}});
        let asking = Asking { client, limit: settings.requests.timeout };
        let mut asked = Vec::new();
        for object in asking.objects(&self.peering, namespaces).await? {
            if asking.write(&object, &patch).await? {
                asked.push(object.title);
            }
        }
        let kind = object::kind(*namespaces != Namespaces::All);
        if asked.is_empty() {
            Err(FreezeError::Missing(format!("{kind} {:?}", self.peering)))
        } else {
            Ok(asked)
        }
    }
}

struct Asking<'c> {
    client: &'c Client,
    limit: Duration,
}

impl Asking<'_> {
    async fn objects(&self, name: &str, namespaces: &Namespaces) -> Result<Vec<PeeringObject>, FreezeError> {
        let namespaces: Vec<_> = match namespaces {
            Namespaces::All => vec![None],
            Namespaces::Some(set) => self.named(set).await?.into_iter().map(Some).collect(),
        };
        let mut objects = Vec::new();
        for group in GROUPS {
            let served = self.answer(group, object::served(self.client, group)).await?;
            for namespace in &namespaces {
                let site = Site { group, namespace: namespace.clone() };
                objects.extend(served.object(self.client, &site, name));
            }
        }
        Ok(objects)
    }

    async fn named(&self, set: &NamespaceSet) -> Result<BTreeSet<String>, FreezeError> {
        if !set.has_globs() {
            return Ok(set.names());
        }
        let all = Api::<Namespace>::all(self.client.clone());
        let parameters = ListParams::default();
        let all = self.answer("namespaces", all.list_metadata(&parameters)).await?;
        Ok(all.iter().map(ResourceExt::name_any).filter(|name| set.admits(name)).collect())
    }

    /// Returns whether there is such an object.
    async fn write(&self, object: &PeeringObject, patch: &Value) -> Result<bool, FreezeError> {
        let written = async {
            match object.write(patch).await {
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
                written => written.map(|_| true),
            }
        };
        self.answer(&object.title, written).await
    }

    async fn answer<T>(
        &self,
        what: &str,
        question: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, FreezeError> {
        let why = match timeout(self.limit, question).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => explain(&error),
            Err(_) => format!("no answer for {} seconds", self.limit.as_secs()),
        };
        Err(FreezeError::Request { what: what.to_owned(), why })
    }
}
