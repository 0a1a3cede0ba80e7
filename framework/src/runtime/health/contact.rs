//! Contact: signs of life of the API server that a watch gets, those included that kube's watcher keeps to itself.
//!
//! Bookmarks, and the regular end of a watch and its opening again, are no events of kube's watcher. So each watch has a client
//! of its own, which hands all requests on to the operator's and looks at what comes back. That works with any client, also
//! with one that the program has made.

use super::WatchHealth;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response, StatusCode, Uri, header::CONTENT_TYPE};
use http_body::{Frame, SizeHint};
use kube::{Client, client::Body};
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tower::{BoxError, Service};

/// The same client, which notes what it gets.
pub fn noting(client: &Client, watch: WatchHealth) -> Client {
    let namespace = client.default_namespace().to_owned();
    Client::new(Noting { client: client.clone(), watch }, namespace)
}

struct Noting {
    client: Client,
    watch: WatchHealth,
}

impl Service<Request<Body>> for Noting {
    type Response = Response<NotedBody>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (client, watch) = (self.client.clone(), self.watch.clone());
        Box::pin(async move {
            let opens = is_watch(request.uri());
            let answer = client.send(request).await?;
            let is_contact = is_contact(answer.status(), answer.headers());
            // The first event may be far away.
            if opens && is_contact && answer.status().is_success() {
                watch.opens();
            }
            let watch = Some(watch).filter(|_| is_contact);
            watch.iter().for_each(WatchHealth::in_contact);
            Ok(answer.map(|body| NotedBody { body, watch }))
        })
    }
}

/// Whether a request opens a watch, and isn't one for a page of a list.
fn is_watch(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1")))
}

/// Whether an answer is one of the API server to somebody it knows. A load balancer in front of it answers 502 or so, a proxy sends
/// its page for people, or to it, and new credentials (401) may be all that is needed: a restart can help against these.
fn is_contact(status: StatusCode, headers: &HeaderMap) -> bool {
    let content = headers.get(CONTENT_TYPE).map_or(&b""[..], |content| content.as_bytes());
    let is_page = content.get(..9).is_some_and(|begin| begin.eq_ignore_ascii_case(b"text/html"));
    !is_page && !status.is_redirection() && !status.is_server_error() && status != StatusCode::UNAUTHORIZED
}

/// The body of an answer.
struct NotedBody {
    body: Body,
    /// None where the answer is no contact.
    watch: Option<WatchHealth>,
}

impl http_body::Body for NotedBody {
    type Data = bytes::Bytes;
    type Error = kube::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        // Its regular end, too.
        if matches!(polled, Poll::Ready(None | Some(Ok(_)))) {
            self.watch.iter().for_each(WatchHealth::in_contact);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_is_told_from_a_page_of_a_list() {
        for (uri, expected) in [
            ("/api/v1/pods?&watch=true&timeoutSeconds=60&allowWatchBookmarks=true", true),
            ("/api/v1/pods?watch=1", true),
            ("/api/v1/pods?&limit=500", false),
            ("/api/v1/pods?watch=false", false),
            ("/api/v1/pods", false),
        ] {
            assert_eq!(is_watch(&uri.parse().unwrap()), expected, "{uri}");
        }
    }

    #[test]
    fn what_a_restart_can_help_against_is_no_contact() {
        for (status, content, expected) in [
            (200, "application/json", true),
            (200, "application/json;stream=watch", true),
            (200, "text/html; charset=utf-8", false),
            (200, "Text/HTML", false),
            (200, "", true),
            (302, "", false),
            (403, "application/json", true),
            (403, "text/html", false),
            (404, "text/plain", true),
            (410, "application/json", true),
            (429, "application/json", true),
            (401, "application/json", false),
            (500, "application/json", false),
            (503, "text/plain", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, content.parse().unwrap())]);
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(is_contact(status, &headers), expected, "{status} {content}");
        }
    }
}
