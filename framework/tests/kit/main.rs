//! Tests of operators, and of the test kit, on the cluster in memory.

#![expect(clippy::unwrap_used, reason = "in a test, a panic with its place is the best message")]

mod activities;
mod answers;
mod any_kind;
mod asserts;
mod blocking;
mod chaos;
mod crashes;
mod daemon_ends;
mod daemon_turns;
mod daemons;
mod embedding;
mod ends;
mod events;
mod health;
mod holdings;
mod indexes;
mod kinds;
mod kinds_change;
mod leases;
mod life;
mod lights;
mod lines;
mod metrics;
mod observations;
mod peering;
mod places;
mod related;
mod resumptions;
mod secrets;
mod seen;
mod timers;
mod transitions;
mod waits;
