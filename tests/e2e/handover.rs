//! Handover between the real Kopf and korf, in both directions: one operator is stopped, and the other one
//! continues.
//!
//! The Python operators are in `tests/kopf`. If Python is missing or Kopf can't be installed, these tests
//! print one line and pass without testing anything.

mod fixture;
mod full_crd;
mod kopf;
mod peering;
mod retries;
mod table;
mod two_handlers;
mod unchanged;
mod unmarked;
