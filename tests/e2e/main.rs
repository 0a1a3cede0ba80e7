//! The table operator as its users run it: the real binary against a real API server, etcd and PostgreSQL.
//!
//! A test takes a [`stage`] and says what is to be seen there. Tests run side by side.

#![expect(clippy::unwrap_used, reason = "Clippy knows the test functions, not what they call")]

mod stage;

mod bad_input;
mod changes;
mod crashes;
mod examples;
mod failures;
mod good_input;
mod handover;
mod large_objects;
mod log_formats;
mod namespaces;
mod outages;
mod recreation;
mod relist;
mod restarts;
mod secrecy;
mod seed_session;
mod shared_lists;
mod start_up;
mod write_counts;
