//! From one place to another.

use super::place::{Found, Item, Place};
use crate::{body::Body, patch::compose};
use serde_json::{Map, Value};

/// Things are kept in one place, and those that are still in another one count too, until they are changed.
///
/// An operator that has kept its things in one place goes on with another without taking old objects for new ones:
///
/// ```
/// use korf_core::storage::{Annotations, InStatus, Moved};
///
/// let place = Moved { to: Annotations::new("greeter.example.com")?, from: InStatus::new("greeter") };
/// # Ok::<_, korf_core::storage::InvalidName>(place)
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved<To, From> {
    /// Where things are looked for first, and written.
    pub to: To,
    /// Where they are looked for then, and erased.
    pub from: From,
}

impl<To: Place, From: Place> Place for Moved<To, From> {
    fn read<'a>(&self, body: &'a Body, item: Item<'_>) -> Vec<Found<'a>> {
        [self.to.read(body, item), self.from.read(body, item)].into_iter().flatten().collect()
    }

    fn write(&self, body: &Body, item: Item<'_>, text: Option<&str>) -> Value {
        let mut patch = object(self.to.write(body, item, text));
        // What is stored may take two requests. A diff-base is erased only where the next one has arrived: a crash between
        // the two would make an object new that isn't. Progress is erased in its end, and until then it isn't read.
        let arrived = item == Item::DiffBase && !self.to.read(body, item).is_empty();
        if text.is_none() || arrived {
            compose(&mut patch, object(self.from.write(body, item, None)));
        }
        patch.into()
    }

    fn clean(&self, essence: &mut Map<String, Value>) {
        self.to.clean(essence);
        self.from.clean(essence);
    }

    fn room(&self, body: &Body) -> usize {
        self.to.room(body)
    }
}

fn object(patch: Value) -> Map<String, Value> {
    match patch {
        Value::Object(patch) => patch,
        _ => Map::new(),
    }
}
