//! What attributes register: linked into the program, and collected when it starts.

use crate::{
    families::{Activity, Handler},
    needs::Need,
};

/// A handler's registration by an attribute: linked into the program, and collected when it starts.
#[doc(hidden)]
#[derive(Debug)]
pub struct Registration(pub fn() -> Registered);

/// What an attribute makes.
#[doc(hidden)]
#[derive(Debug)]
pub enum Registered {
    Handler(Box<Handler>),
    Activity(Box<Activity>),
    Need(Box<Need>),
}

impl From<Need> for Registered {
    fn from(need: Need) -> Self {
        Self::Need(Box::new(need))
    }
}

impl From<Handler> for Registered {
    fn from(handler: Handler) -> Self {
        Self::Handler(Box::new(handler))
    }
}

impl From<Activity> for Registered {
    fn from(activity: Activity) -> Self {
        Self::Activity(Box::new(activity))
    }
}

inventory::collect!(Registration);

/// All that attributes have registered in this program.
pub(super) fn registered() -> impl Iterator<Item = Registered> {
    inventory::iter::<Registration>.into_iter().map(|registration| (registration.0)())
}
