//! Keeps one PostgreSQL table for every `DatabaseTable` object.
//!
//! Data flows one way, and each step has its module: the raw spec of an object ([`spec`], with the rules for
//! names in [`identifier`] and for types in [`column_type`]) → types and places as the server knows them
//! ([`types`], [`forms`], [`catalog`]) → a [`plan`], which respects the table's owner ([`marker`]) → its statements
//! ([`ddl`]) → one [`transaction`] on the [`database`] (with a [`search_path`] of its own), by another way if it has event [`triggers`] → the [`steps`] that may take
//! long, in the [`background`] → the [`outcome`], with its [`warning`]s → the [`status`]. A table that another operator has made is
//! handed over before that ([`handover`]), if the object has a [`note`] of it. `spec`, `plan`, `ddl`, `marker`, `outcome`, `warning`, `status`, `events` and `note` are pure.
//!
//! [`drift`] looks from time to time whether others have changed tables. [`owners`] knows which objects may have a table, so that not all comments are read for each. The
//! [`handlers`] take a [`request`] from the object and drive these steps, and [`commands`] show people what these would do. The [`api`] server tells them
//! which [`cluster`] this is and, before a table is dropped or changes hands, whether the object still
//! exists.
//!
//! What has become of an object, its status tells, and Kubernetes [`events`] where that changes. Every failure is an [`error::TableError`]. [`sqlstate`] sorts those of the database: some pass, some need
//! a fix outside the object, and some stay until the spec changes. [`connections`] knows the databases: the operator's own, and
//! those that [`secrets`] lead to, which may be [watched](secret_watch). [`connection`] has the settings, [`checks`] looks whether they
//! will do, and the [`pool`] has the connections of each, [`metrics`] what is counted of both; [`crd`] defines the kind.

pub mod api;
pub mod background;
pub mod catalog;
pub mod checks;
pub mod cluster;
pub mod column_type;
pub mod commands;
pub mod connection;
pub mod connections;
pub mod crd;
pub mod database;
pub mod ddl;
pub mod drift;
pub mod error;
pub mod events;
pub mod forms;
pub mod handlers;
pub mod handover;
mod hash;
pub mod identifier;
pub mod marker;
mod message;
pub mod metrics;
pub mod note;
pub mod outcome;
pub mod owners;
pub mod plan;
pub mod pool;
pub mod request;
pub mod search_path;
pub mod secret_watch;
pub mod secrets;
pub mod siblings;
pub mod spec;
pub mod sqlstate;
pub mod status;
pub mod steps;
pub mod transaction;
pub mod triggers;
pub mod types;
pub mod warning;
