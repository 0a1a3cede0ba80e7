//! The real Kopf hands over to korf, and korf to Kopf: one operator is stopped, and the other one goes on.
//!
//! The Python operators are in `tests/kopf`. Where there is no Python, or no Kopf to be had, one line says so, and nothing
//! is tested.

mod full_crd;
mod kopf;
mod retries;
mod table;
mod turns;
mod two_handlers;
mod unchanged;
