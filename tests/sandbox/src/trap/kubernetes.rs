//! Requests to an API server, one after the other.

use std::convert::Infallible;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use tokio::net::TcpStream;

use super::{Moment, Trap};

/// Serves the connection of a client.
pub(super) async fn serve(stream: TcpStream, client: Client, trap: Trap) {
    let answer = |request| {
        let (client, trap) = (client.clone(), trap.clone());
        async move { Ok::<_, Infallible>(answer(request, client, &trap).await) }
    };
    // A client that is killed breaks off.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
}

async fn answer(request: Request<Incoming>, client: Client, trap: &Trap) -> Response<Body> {
    let moment = trap.count(format!("{} {}", request.method(), request.uri()));
    if moment == Some(Moment::Before) {
        return trap.spring().await;
    }
    let (mut parts, body) = request.into_parts();
    parts.headers.remove(HOST);
    let Ok(body) = body.collect().await else { return unavailable() };
    let request = Request::from_parts(parts, Body::from(body.to_bytes()));
    let answered = async move { client.send(request).await };
    match moment {
        Some(Moment::Underway) => {
            // As if it were in the sockets of the two: it arrives, also if the client is killed.
            tokio::spawn(answered);
            trap.spring().await
        }
        Some(_) => {
            let _ = answered.await;
            trap.spring().await
        }
        None => answered.await.unwrap_or_else(|_| unavailable()),
    }
}

/// What a proxy answers for a server that can't be reached.
fn unavailable() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}
