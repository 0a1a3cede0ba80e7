//! Runtime: the I/O around the core. Watches bring objects, workers give them their turns, and patches go to the API
//! server.

mod activity;
mod attempt;
mod backoff;
mod built_in;
mod catalog;
mod cleanup;
pub mod clock;
mod daemons;
mod discovery;
mod events;
mod failures;
mod files;
mod found;
pub mod health;
mod hiccup;
mod index;
mod kind;
mod lead;
mod listing;
pub mod login_error;
mod memory;
mod namespaces;
mod object;
pub mod observe;
mod places;
mod probes;
mod reactor;
mod related;
mod strips;
mod supervisor;
mod throttle;
mod ticks;
mod transitions;
mod triggers;
mod turn;
mod unmet;
mod versions;
mod watch;
mod worker;
mod write;

pub use activity::{ActivityCaller, ActivityFailure};
pub use built_in::is_built_in;
pub use cleanup::Cleanup;
pub use events::Poster;
pub use kind::{KindContext, OperatorContext, is_report};
pub use lead::{
    ElectionPlan, Elector, Holdings, Moment, OPERATOR_LABEL, Relisting, SHARDS_ANNOTATION, look_for_help,
    own_namespace,
    peering::{
        FreezeRequest, GROUPS as PEERING_GROUPS, Peering, PeeringMode, PeeringOptions,
        plural as peering_plural,
    },
};
pub use namespaces::{Namespaces, serve_namespaces};
pub use object::WatchedObject;
pub use probes::Probes;
pub use supervisor::{Shutdown, Supervisor};
pub use triggers::{Giver, Target, Triggers};
pub use watch::openings;
pub use write::explain;
