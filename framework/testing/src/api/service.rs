//! The server as kube's client sees it: a service of HTTP requests.

use super::{
    answer::{Answer, Rejection},
    faults::{Fault, Moment},
    log::Request,
    server::ApiServer,
};
use bytes::Bytes;
use futures::{StreamExt, future::BoxFuture, stream};
use http::{Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use kube::client::Body;
use serde_json::Value;
use std::{
    io,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::sleep;
use tower::BoxError;

type Reply = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// A client's connection to the server.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    server: ApiServer,
    client: Arc<str>,
}

impl Connection {
    pub fn new(server: ApiServer, client: &str) -> Self {
        Self { server, client: client.into() }
    }

    /// Delivers a request to the server and its answer to the client, with the faults on the way.
    async fn send(self, request: http::Request<Body>) -> Result<Reply, BoxError> {
        let request = read(&self.client, request).await?;
        let delivery = self.server.delivery(&request);
        let number = self.server.log(request.clone());
        delay(delivery.there).await;
        if let Some(fault) = delivery.fault_at(Moment::Before) {
            return fail(fault).await;
        }
        let answer = self.server.answer(number, &request);
        delay(delivery.back).await;
        if let Some(fault) = delivery.fault_at(Moment::After) {
            return fail(fault).await;
        }
        self.server.answered(number);
        respond(answer)
    }
}

impl tower::Service<http::Request<Body>> for Connection {
    type Response = Reply;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Reply, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}

/// Waits, unless the time is zero: the request can't be dropped in between then.
async fn delay(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

async fn read(client: &str, request: http::Request<Body>) -> Result<Request, BoxError> {
    let (parts, body) = request.into_parts();
    let content = parts.headers.get(CONTENT_TYPE).and_then(|content| content.to_str().ok());
    let content = content.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_owned();
    let body = body.collect_bytes().await?;
    Ok(Request {
        client: client.to_owned(),
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: super::target::parameters(parts.uri.query().unwrap_or_default()),
        content,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    })
}

async fn fail(fault: Fault) -> Result<Reply, BoxError> {
    match fault {
        Fault::Rejected(code) => {
            respond(Answer::Document(code, Arc::new(Rejection::injected(code).status())))
        }
        Fault::Says(code, message) => {
            respond(Answer::Document(code, Arc::new(Rejection::new(code, "", message).status())))
        }
        Fault::Reset => Err(reset().into()),
        Fault::Silence => {
            sleep(korf::settings::Settings::default().watching.silence).await;
            Err(io::Error::new(io::ErrorKind::TimedOut, "read timed out (an injected fault)").into())
        }
    }
}

/// The error of a broken connection.
pub(super) fn reset() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "Connection reset by peer (an injected fault)")
}

fn respond(answer: Answer) -> Result<Reply, BoxError> {
    let code = StatusCode::from_u16(answer.code())?;
    let content = if matches!(answer, Answer::Text(..)) { "text/plain" } else { "application/json" };
    let lines = match answer {
        Answer::Document(_, document) => stream::iter([Ok(Bytes::from(document.to_string()))]).boxed(),
        Answer::Text(_, text) => stream::iter([Ok(Bytes::from(text))]).boxed(),
        Answer::Watch(watch) => watch.lines().boxed(),
    };
    let body = StreamBody::new(lines.map(|line| line.map(http_body::Frame::data))).boxed_unsync();
    Ok(Response::builder().status(code).header(CONTENT_TYPE, content).body(body)?)
}
