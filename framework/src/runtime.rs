//! Runtime: the I/O around the core. Watches bring objects, workers give them their turns, and patches go to the API
//! server.

mod attempt;
mod built_in;
pub mod clock;
mod daemons;
mod events;
mod kind;
mod listing;
pub mod login_error;
mod memory;
mod namespaces;
mod object;
pub mod observe;
mod reactor;
mod strips;
mod supervisor;
mod throttle;
mod ticks;
mod turn;
mod versions;
mod watch;
mod worker;
mod write;

pub use events::Poster;
pub use kind::{KindContext, Namespaces, OperatorContext};
pub use namespaces::find_namespaces;
pub use supervisor::Supervisor;
