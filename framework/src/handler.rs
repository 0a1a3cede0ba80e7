//! Handlers by hand, and the parts that they are made of: builders, families, calls, replies, limits.
//!
//! Attributes make handlers of functions; the functions of the same names ([`on_create()`](crate::on_create()) and so on)
//! begin a [`HandlerBuilder`], which makes the same by hand:
//!
//! ```
//! use k8s_openapi::api::core::v1::ConfigMap;
//! use korf::{Name, Operator, Result, handler::Registry};
//! use std::time::Duration;
//!
//! async fn greet(name: Name) -> Result {
//!     println!("{name} is new");
//!     Ok(())
//! }
//!
//! let handler = korf::on_create::<ConfigMap>("greet").retries(3).timeout(Duration::from_secs(60)).run(greet);
//! let operator = Operator::with_registry("greeter", Registry::from_iter([handler]));
//! assert_eq!(operator.registry().handlers()[0].id(), "greet");
//! ```

pub use crate::{
    builder::{ActivityFn, Configurable, HandlerBuilder, HandlerFn, KubeKind, PlainFn, Registrable},
    call::{AttemptInfo, Context, ObjectCall, ObjectView, States, TypeMap},
    core::{
        daemon::{DaemonOptions, StopReason},
        handler::OnChange,
        retry::{Backoff, Limits, OnError},
        timer::TimerSchedule,
    },
    families::{
        Activity, ActivityAnswer, ActivityBuilder, ActivityCall, ActivityKind, ActivityReply, Answer, Change,
        ChangeCall, ChangeFn, ChangeHandler, DaemonCall, DaemonHandler, Definition, EventCall, EventHandler,
        EventKind, Failure, Family, Handler, IndexCall, IndexHandler, IntoActivityReply, IntoObjectRefs,
        IntoPairs, Invoke, Kind, KindSelection, Named, Parameter, RelatedCall, RelatedHandler,
        SourceLocation, SubCalls, TimerCall, TimerHandler,
    },
    needs::Need,
    registry::{Registry, StartError},
    reply::{IntoReply, Reply},
};
