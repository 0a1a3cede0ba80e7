//! The operator's SQL on a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "in a test, a panic with its place is the best message")]

mod acting;
mod adopt;
mod bad_input;
mod busy;
mod clusters;
mod columns;
mod connection;
mod create;
mod crowded;
mod delete;
mod disputes;
mod drift;
mod dumps;
mod edits;
mod forged;
mod full;
mod handed_over;
mod hostile;
mod hostile_tables;
mod identities;
mod indexes;
mod integers;
mod keys;
mod kstatus;
mod lost_line;
mod names;
mod neighbours;
mod outages;
mod pairs;
mod pgbouncer;
mod pooled;
mod races;
mod renames;
mod rewrites;
mod rotation;
mod schemas;
mod shadowed;
mod succession;
mod support;
mod turnover;
mod unusual;
mod update;
mod versions;
mod warnings;
