//! The server as kube's client sees it: a service of HTTP requests.

use super::{
    answer::{Answer, Refusal},
    fault::{Moment, Trouble},
    log::Request,
    server::ApiServer,
};
use bytes::Bytes;
use futures::{StreamExt, future::BoxFuture, stream};
use http::{Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use korf::__private::SILENCE;
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

/// One client's way to the server.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    server: ApiServer,
    who: Arc<str>,
}

impl Wire {
    pub fn new(server: ApiServer, who: &str) -> Self {
        Self { server, who: who.into() }
    }

    /// Brings a request to the server and the answer back, as far as the faults let them through.
    async fn carry(self, request: http::Request<Body>) -> Result<Reply, BoxError> {
        let request = read(&self.who, request).await?;
        let fate = self.server.fate(&request);
        let number = self.server.enter(request.clone());
        pass(fate.there).await;
        if let Some(trouble) = fate.trouble_at(Moment::Before) {
            return meet(trouble).await;
        }
        let answer = self.server.answer(number, &request);
        pass(fate.back).await;
        if let Some(trouble) = fate.trouble_at(Moment::After) {
            return meet(trouble).await;
        }
        self.server.answered(number);
        respond(answer)
    }
}

impl tower::Service<http::Request<Body>> for Wire {
    type Response = Reply;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Reply, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.clone().carry(request))
    }
}

/// No time is no wait: whoever drops the request can't do so in between.
async fn pass(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

async fn read(who: &str, request: http::Request<Body>) -> Result<Request, BoxError> {
    let (parts, body) = request.into_parts();
    let content = parts.headers.get(CONTENT_TYPE).and_then(|content| content.to_str().ok());
    let content = content.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_owned();
    let body = body.collect_bytes().await?;
    Ok(Request {
        who: who.to_owned(),
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: super::path::parameters(parts.uri.query().unwrap_or_default()),
        content,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    })
}

async fn meet(trouble: Trouble) -> Result<Reply, BoxError> {
    match trouble {
        Trouble::Refused(code) => respond(Answer::Document(code, Arc::new(Refusal::injected(code).status()))),
        Trouble::Reset => Err(reset().into()),
        Trouble::Silence => {
            sleep(SILENCE).await;
            Err(io::Error::new(io::ErrorKind::TimedOut, "read timed out (an injected fault)").into())
        }
    }
}

/// What a broken connection says.
pub(super) fn reset() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "Connection reset by peer (an injected fault)")
}

fn respond(answer: Answer) -> Result<Reply, BoxError> {
    let code = StatusCode::from_u16(answer.code())?;
    let content = if matches!(answer, Answer::Text(..)) { "text/plain" } else { "application/json" };
    let lines = match answer {
        Answer::Document(_, document) => stream::iter([Ok(Bytes::from(document.to_string()))]).boxed(),
        Answer::Text(_, text) => stream::iter([Ok(Bytes::from(text))]).boxed(),
        Answer::Watch(watching) => watching.lines().boxed(),
    };
    let body = StreamBody::new(lines.map(|line| line.map(http_body::Frame::data))).boxed_unsync();
    Ok(Response::builder().status(code).header(CONTENT_TYPE, content).body(body)?)
}
