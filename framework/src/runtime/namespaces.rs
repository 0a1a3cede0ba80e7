//! Namespaces that the operator serves: all, those that it is told by name, or those that fit its globs, as they come and go.

mod matching;
mod named;

use super::kind::OperatorContext;
use futures::future;
use korf_core::namespaces::NamespaceSet;
use std::{collections::BTreeSet, sync::Arc};
use tokio::sync::watch::{Receiver, Sender};

/// The namespaces that an operator is told to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// All, by one watch for each kind.
    All,
    /// These, by a watch for each.
    Some(NamespaceSet),
}

/// The namespaces that are served at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServedNamespaces {
    /// Their names.
    pub names: BTreeSet<String>,
    /// These are all that there are, as far as the operator may know: those that fit a glob are known, too.
    pub complete: bool,
}

/// Where kinds with namespaces are watched.
#[derive(Clone, Debug)]
pub enum Region {
    /// In the whole cluster.
    Cluster,
    /// In these namespaces.
    Namespaces(Receiver<ServedNamespaces>),
}

impl Region {
    /// The namespaces that are served now; none where the whole cluster is. From then on, only other ones are a change.
    pub fn served(&mut self) -> Option<ServedNamespaces> {
        match self {
            Self::Cluster => None,
            Self::Namespaces(served) => Some(served.borrow_and_update().clone()),
        }
    }

    /// Waits until other namespaces are served.
    pub async fn changed(&mut self) {
        if let Self::Namespaces(served) = self
            && served.changed().await.is_ok()
        {
            return;
        }
        future::pending().await
    }
}

/// The operator's region, and the service that keeps it up to date until the operator stops.
pub fn serve_namespaces(
    operator: Arc<OperatorContext>,
    namespaces: Namespaces,
) -> (Region, impl Future<Output = ()> + Send + 'static) {
    let (names, globs) = match &namespaces {
        Namespaces::All => (BTreeSet::new(), None),
        Namespaces::Some(set) => (set.names(), Some(set.clone()).filter(NamespaceSet::has_globs)),
    };
    let served = Sender::new(ServedNamespaces { names: names.clone(), complete: globs.is_none() });
    let region = match namespaces {
        Namespaces::All => Region::Cluster,
        Namespaces::Some(_) => Region::Namespaces(served.subscribe()),
    };
    let service = async move {
        let matching = async {
            if let Some(globs) = globs {
                matching::keep_up(&operator, &globs, &served).await;
            }
        };
        tokio::select! {
            biased;
            () = operator.stopping.cancelled() => {}
            _ = future::join(named::find(&operator, &names), matching) => {}
        }
    };
    (region, service)
}
