//! What operators write onto their objects, on the cluster in memory: where, how much, and what they do when they can't.

#![expect(clippy::unwrap_used, reason = "in a test, a panic with its place is the best message")]

mod functions;
mod halfway;
mod outages;
mod places;
mod refusals;
mod sizes;
mod things;
