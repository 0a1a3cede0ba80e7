//! One PostgreSQL table for every `DatabaseTable` object.
//!
//! The way of the data, each step in a module of its own: the raw spec of an object ([`spec`], with the rules
//! of names in [`identifier`] and of types in [`column_type`]) → types and places as the server knows them
//! ([`types`], [`catalog`]) → a [`plan`], which asks whose table it is ([`marker`]) → its statements
//! ([`ddl`]) → one transaction ([`database`]) → the [`status`]. `spec`, `plan`, `ddl`, `marker` and `status`
//! are pure.
//!
//! [`handlers`] call all that; what they are given is [`asked`] of the object, and the [`cluster`] that it is
//! in. Before a table is dropped, the cluster says whether the object is still there ([`objects`]).
//!
//! What goes wrong is an [`error::TableError`], sorted by [`sqlstate`] into what comes right by itself, what
//! a person has to mend in the database, and what stays until the spec is another one. [`connection`] makes
//! the pool; [`crd`] is the kind itself.

pub mod api;
pub mod catalog;
pub mod cluster;
pub mod column_type;
pub mod connection;
pub mod crd;
pub mod database;
pub mod ddl;
pub mod error;
pub mod handlers;
pub mod identifier;
pub mod marker;
mod message;
pub mod outcome;
pub mod plan;
pub mod request;
pub mod spec;
pub mod sqlstate;
pub mod status;
pub mod types;
