//! Namespaces that the operator is told to serve by name: those that don't exist are reported, and awaited.
//!
//! A listing of a namespace that doesn't exist is empty, and so is one of a namespace without objects: only a question for
//! the namespace itself tells them apart. That takes one request for each, and a permission that operators may lack;
//! then nothing is said.

use crate::runtime::{kind::OperatorContext, observe::Observation, write::explain};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use std::collections::BTreeSet;
use tokio::time::{sleep, timeout};

/// What the API server says of a namespace.
#[derive(Debug, PartialEq, Eq)]
enum Existence {
    Exists,
    Missing,
    /// It can't tell now, but may later.
    Unanswered(String),
    /// It won't tell.
    Denied(String),
}

/// Looks for these namespaces until all are found.
pub async fn find(operator: &OperatorContext, names: &BTreeSet<String>) {
    join_all(names.iter().map(|name| find_one(operator, name))).await;
}

async fn find_one(operator: &OperatorContext, namespace: &str) {
    let observe = |observation: Observation<'_>| operator.observer.observe(observation);
    let mut missing = false;
    loop {
        match ask_for(operator, namespace).await {
            Existence::Exists => {
                if missing {
                    observe(Observation::NamespaceFound { namespace });
                }
                return;
            }
            Existence::Missing if missing => {}
            Existence::Missing => {
                missing = true;
                observe(Observation::NamespaceMissing { namespace });
            }
            // The watches of this namespace say so, too.
            Existence::Unanswered(why) => observe(Observation::NamespaceUnknown { namespace, why: &why }),
            Existence::Denied(why) => return observe(Observation::NamespaceUnknown { namespace, why: &why }),
        }
        sleep(operator.settings.watching.discovery_interval).await;
    }
}

async fn ask_for(operator: &OperatorContext, namespace: &str) -> Existence {
    let namespaces: Api<Namespace> = Api::all(operator.client.clone());
    match timeout(operator.settings.requests.timeout, namespaces.get_metadata(namespace)).await {
        Ok(Ok(_)) => Existence::Exists,
        Ok(Err(error)) => existence(&error),
        Err(_) => Existence::Unanswered("no answer in time".to_owned()),
    }
}

fn existence(error: &kube::Error) -> Existence {
    match error {
        kube::Error::Api(status) => match status.code {
            // Without this reason, it is namespaces that the server doesn't know.
            404 if status.reason == "NotFound" => Existence::Missing,
            // The login may be renewed.
            401 | 429 | 500.. => Existence::Unanswered(explain(error)),
            _ => Existence::Denied(explain(error)),
        },
        _ => Existence::Unanswered(explain(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    #[test]
    fn only_a_namespace_that_the_server_does_not_find_is_missing() {
        let answer = |code, reason: &str| {
            let status = Status { code, reason: reason.into(), message: "no".into(), ..Status::default() };
            existence(&kube::Error::Api(status.boxed()))
        };
        assert_eq!(answer(404, "NotFound"), Existence::Missing);
        for (code, reason) in [(403, "Forbidden"), (404, "Failed to parse error data")] {
            assert!(matches!(answer(code, reason), Existence::Denied(_)), "{code} {reason}");
        }
        for code in [401, 429, 500, 503] {
            assert!(matches!(answer(code, ""), Existence::Unanswered(_)), "{code}");
        }
    }
}
