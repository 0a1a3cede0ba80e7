//! What happens to a real PostgreSQL.

mod bad_input;
mod connection;
mod create;
mod delete;
mod races;
mod support;
mod update;
