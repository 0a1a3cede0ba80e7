//! Storage of operators on their objects: locations, sizes, and failed writes.

#![expect(clippy::unwrap_used, reason = "in a test, a panic with its place is the best message")]

mod copies;
mod functions;
mod halfway;
mod locations;
mod outages;
mod rejections;
mod sizes;
mod things;
