//! The I/O shell around the core: watches bring objects, workers handle them one cycle at a time, and their
//! patches go to the API server.

mod apply;
mod attempt;
mod built_in;
mod calls;
pub mod clock;
mod events;
mod fault;
mod kind;
mod object;
mod pace;
mod queue;
mod reactor;
mod report;
mod request;
mod results;
mod rights;
mod schema;
mod sight;
mod store;
mod turn;
mod watch;
mod worker;

pub use events::Poster;
pub use kind::{Common, Namespaces, Server, Watched};
pub use reactor::{Limits, Reactor};
pub use report::{login_begins, login_ends, login_succeeds, stop_requested};
