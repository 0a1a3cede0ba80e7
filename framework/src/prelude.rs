//! Common names of files with handlers: `use korf::prelude::*;`.
//!
//! ```
//! use k8s_openapi::api::core::v1::ConfigMap;
//! use korf::prelude::*;
//!
//! #[korf::on_create(ConfigMap)]
//! async fn greet(map: Object<ConfigMap>, name: Name, events: EventRecorder) -> Result {
//!     events.info("Greeted", format!("{name} has {} keys", map.data.iter().flatten().count()));
//!     Ok(())
//! }
//! ```

pub use crate::{Error, Operator, Result, ResultExt, Status, extract::*};
