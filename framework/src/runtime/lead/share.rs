//! Share: the API server is asked for the objects of some shards alone, if it can tell them apart.
//!
//! That is Kubernetes' sharded list and watch ([KEP-5866](https://github.com/kubernetes/enhancements/issues/5866)), which is alpha
//! and off by default. A server without it ignores the parameter without a word, and sends everything; and no answer for custom
//! resources says which it was. So the share is always checked by the operator, too, and whether the server helps is found
//! out by a list of Leases, whose answer says so.

use crate::runtime::{kind::OperatorContext, observe::Observation, write::explain};
use futures::future::BoxFuture;
use http::{Request, Response, Uri};
use k8s_openapi::api::coordination::v1::Lease;
use korf_core::shard::Shard;
use kube::{
    Client, Resource,
    client::Body,
    core::{Request as ListRequest, params::ListParams},
};
use serde_json::Value;
use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{sleep, timeout};
use tower::{BoxError, Service};

const PARAMETER: &str = "shardSelector";

/// The time between two questions that the API server can't answer.
const AGAIN: Duration = Duration::from_secs(10);

/// The same client, whose lists and watches ask for a share alone. It is for nothing else: a DELETE of a collection would delete all
/// where the server doesn't know the parameter.
pub fn sharing(client: &Client, selector: Arc<str>) -> Client {
    let namespace = client.default_namespace().to_owned();
    Client::new(Sharing { client: client.clone(), selector }, namespace)
}

struct Sharing {
    client: Client,
    selector: Arc<str>,
}

impl Service<Request<Body>> for Sharing {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let (client, selector) = (self.client.clone(), Arc::clone(&self.selector));
        Box::pin(async move {
            *request.uri_mut() = with_selector(request.uri(), &selector)?;
            Ok(client.send(request).await?)
        })
    }
}

fn with_selector(uri: &Uri, selector: &str) -> Result<Uri, http::Error> {
    let before = uri.path_and_query().map_or("/", |before| before.as_str());
    let sign = if uri.query().is_some() { '&' } else { '?' };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("{before}{sign}{PARAMETER}={}", encoded(selector)).parse()?);
    Ok(Uri::from_parts(parts)?)
}

fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Finds out whether the API server sends a share alone, and lets the watches ask for it then.
pub async fn look_for_help(operator: Arc<OperatorContext>, namespace: String) {
    let shards = operator.holdings.shards();
    let Some(selector) = shards.selector([Shard(0)]) else { return operator.relisting.set_helped(false) };
    loop {
        let limit = operator.settings.requests.timeout;
        match timeout(limit, is_helped(&operator.client, &namespace, &selector)).await {
            Ok(Ok(helped)) => {
                operator.observer.observe(Observation::SharesAsked { helped, why: None });
                return operator.relisting.set_helped(helped);
            }
            // It may not list them, or finds fault with the parameter.
            Ok(Err(error @ kube::Error::Api(_))) if !is_passing(&error) => {
                let why = Some(&*explain(&error));
                operator.observer.observe(Observation::SharesAsked { helped: false, why });
                return operator.relisting.set_helped(false);
            }
            Ok(Err(_)) | Err(_) => sleep(AGAIN).await,
        }
    }
}

/// Whether another answer may come in a moment. A server that has something against the parameter answers 500.
fn is_passing(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 401 | 429 | 502..=504))
}

async fn is_helped(client: &Client, namespace: &str, selector: &str) -> kube::Result<bool> {
    let path = Lease::url_path(&(), Some(namespace));
    let list = ListRequest::new(path).list(&ListParams::default().limit(1));
    let mut list = list.map_err(kube::Error::BuildRequest)?;
    *list.uri_mut() = with_selector(list.uri(), selector).map_err(kube::Error::HttpError)?;
    let answer: Value = client.request(list).await?;
    Ok(answer["metadata"].get("shardInfo").is_some())
}

/// Whether a watch that asks for a share may fail for that: the parameter isn't stable yet.
pub fn is_about_share(code: Option<u16>) -> bool {
    matches!(code, Some(400 | 422 | 500))
}

#[cfg(test)]
mod tests {
    use super::*;
    use korf_core::shard::Shards;

    #[test]
    fn the_parameter_is_added_to_what_is_asked() {
        let shards: Shards = "2".parse().unwrap();
        let selector = shards.selector([Shard(1)]).unwrap();
        for (uri, expected) in [
            (
                "https://server/apis/korf.dev/v1/lights?watch=true",
                "/apis/korf.dev/v1/lights?watch=true&shardSelector=",
            ),
            ("https://server/api/v1/pods", "/api/v1/pods?shardSelector="),
        ] {
            let uri = with_selector(&uri.parse().unwrap(), &selector).unwrap();
            let text = uri.path_and_query().unwrap().as_str();
            let rest = text.strip_prefix(expected).unwrap();
            assert_eq!(
                rest,
                "shardRange%28object.metadata.uid%2C%20%270x8000000000000000%27%2C%20%270x10000000000000000%27%29"
            );
            assert_eq!(uri.host(), Some("server"));
        }
    }
}
