//! End-to-end tests: the operator's binary, as users run it, with a real API server, etcd and PostgreSQL.
//!
//! Each test has a [`fixture`] of its own, with a namespace and a database, so tests run in parallel.

#![expect(
    clippy::unwrap_used,
    reason = "Clippy allows it in test functions, but not in the functions that they call"
)]

mod fixture;

mod any_kind;
mod api_faces;
mod bad_input;
mod changes;
mod check;
mod clusters;
mod commands;
mod connections;
mod crashes;
mod daemons;
mod drift;
mod embedding;
mod events;
mod examples;
mod explain;
mod failures;
mod faults;
mod good_input;
mod handover;
mod health;
mod indexes;
mod installing;
mod kinds;
mod kopf_demo_session;
mod large_objects;
mod leases;
mod log_formats;
mod login;
mod metrics;
mod namespaces;
mod outages;
mod ownership;
mod permissions;
mod recreation;
mod relist;
mod replicas;
mod restarts;
mod retained;
mod secrecy;
mod shared_lists;
mod shares;
mod start_up;
mod table_events;
mod table_indexes;
mod triggers;
mod write_counts;
