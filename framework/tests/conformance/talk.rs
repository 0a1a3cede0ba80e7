//! Sequences of requests, and their execution.

use super::normal::Names;
use http::Method;
use kube::{Client, client::Body};
use serde_json::Value;

/// A sequence of requests in a namespace of its own.
pub struct Case {
    pub title: &'static str,
    pub steps: Vec<Step>,
}

/// The answers so far, as they were sent.
pub type Seen<'a> = &'a [Value];

type Text = Box<dyn Fn(Seen<'_>) -> String>;
type Content = Box<dyn Fn(Seen<'_>) -> Option<Value>>;

pub struct Step {
    method: Method,
    path: Text,
    body: Content,
    content: &'static str,
}

impl Step {
    pub fn new(
        method: Method,
        path: impl Fn(Seen<'_>) -> String + 'static,
        body: impl Fn(Seen<'_>) -> Option<Value> + 'static,
    ) -> Self {
        let content =
            if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        Self { method, path: Box::new(path), body: Box::new(body), content }
    }

    /// The same with another `Content-Type`.
    pub fn of_type(self, content: &'static str) -> Self {
        Self { content, ..self }
    }

    /// The same with a query.
    pub fn asking(self, query: &'static str) -> Self {
        let path = self.path;
        Self { path: Box::new(move |seen| path(seen) + query), ..self }
    }

    pub fn line(&self) -> String {
        let none: Vec<_> = vec![Value::Null; 32];
        let body = (self.body)(&none).unwrap_or_default();
        format!("{} {} {body}", self.method, (self.path)(&none))
    }
}

/// The normalized answers of a server, step by step.
pub async fn run(client: &Client, namespace: &str, case: &Case) -> Vec<Value> {
    let (mut names, mut seen, mut answers) = (Names::default(), Vec::new(), Vec::new());
    for step in &case.steps {
        let path = (step.path)(&seen).replace("NAMESPACE", namespace);
        let body = (step.body)(&seen).map(|body| body.to_string().replace("NAMESPACE", namespace));
        let request = http::Request::builder().method(step.method.clone()).uri(path);
        let request = request.header("Content-Type", step.content);
        let request = request.body(Body::from(body.unwrap_or_default().into_bytes())).unwrap();
        let response = client.send(request).await.unwrap();
        let code = response.status().as_u16();
        let bytes = response.into_body().collect_bytes().await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        answers.push(names.normal(code, &text));
        seen.push(serde_json::from_str(&text).unwrap_or_default());
    }
    let text = serde_json::to_string(&answers).unwrap().replace(namespace, "NAMESPACE");
    serde_json::from_str(&text).unwrap()
}
