//! Settings: all limits, delays and sizes of the framework, with their units in their types.
//!
//! Each has a name, by which it is set on the command line (`--set requests.timeout=10s`), by an environment variable
//! (`KORF_SET_REQUESTS_TIMEOUT=10s`), or in code:
//!
//! ```
//! use korf::settings::Settings;
//! use std::time::Duration;
//!
//! let mut settings = Settings::default();
//! settings.requests.timeout = Duration::from_secs(10);
//! settings.set("queueing.concurrency", "8")?;
//! assert_eq!(settings.queueing.concurrency, 8);
//! let operator = korf::Operator::new("greeter").settings(settings);
//! # Ok::<_, korf::settings::InvalidSetting>(())
//! ```
//!
//! Durations are numbers with a unit (`ms`, `s`, `m`, `h`), sizes are bytes or have a unit (`KiB`, `MiB`), lists have
//! commas.

mod invalid;
mod limits;
mod value;

pub use invalid::InvalidSetting;
pub use value::Bytes;

use korf_core::{daemon::StopTimes, queue, version::Trust};
use std::{env, ffi::OsString, time::Duration};
use value::{Value, parse};

/// The beginning of the environment variables.
const VARIABLES: &str = "KORF_SET_";

macro_rules! settings {
    ($($(#[$doc:meta])* $group:ident: $Group:ident {
        $($(#[$setting_doc:meta])* $setting:ident: $type:ty = $default:expr;)*
    })*) => {
        /// All settings of an operator.
        #[derive(Clone, Debug, Default, PartialEq)]
        #[non_exhaustive]
        pub struct Settings {
            $($(#[$doc])* pub $group: $Group,)*
        }

        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq)]
            #[non_exhaustive]
            pub struct $Group {
                $($(#[$setting_doc])* pub $setting: $type,)*
            }

            impl Default for $Group {
                fn default() -> Self {
                    Self { $($setting: $default,)* }
                }
            }
        )*

        /// The names of all settings: `requests.timeout`.
        pub const NAMES: &[&str] = &[$($(concat!(stringify!($group), ".", stringify!($setting)),)*)*];

        impl Settings {
            /// Sets a setting by its name.
            ///
            /// # Errors
            /// There is no such setting, or the value isn't one of its type, or no operator can work with it. Whether settings
            /// go together is checked when the operator starts.
            pub fn set(&mut self, name: &str, value: &str) -> Result<(), InvalidSetting> {
                $($(
                    if name == concat!(stringify!($group), ".", stringify!($setting)) {
                        let value = parse(name, value)?;
                        limits::check(concat!(stringify!($group), ".", stringify!($setting)), &value)?;
                        self.$group.$setting = value;
                        return Ok(());
                    }
                )*)*
                Err(InvalidSetting::Name(name.to_owned()))
            }

            /// Checks each setting, and those that have to go together.
            pub(crate) fn check(&self) -> Result<(), InvalidSetting> {
                $($(
                    limits::check(concat!(stringify!($group), ".", stringify!($setting)), &self.$group.$setting)?;
                )*)*
                self.check_order()
            }

            /// Each setting with its name and its value, as [`set`](Self::set) takes them.
            pub fn values(&self) -> Vec<(&'static str, String)> {
                vec![$($((
                    concat!(stringify!($group), ".", stringify!($setting)),
                    self.$group.$setting.text(),
                ),)*)*]
            }
        }
    };
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

settings! {
    /// The login at the API server.
    login: Login {
        /// The least time between two logins: credentials that the API server rejects are read again at most so often.
        renewal_delay: Duration = seconds(5);
        /// Credentials are rejected for this time until the operator ends, so that it can be started with others.
        patience: Duration = seconds(60);
    }
    /// The operator's start.
    starting: Starting {
        /// After this time, the log says that a start-up or login handler still runs; then at most every `queueing.reminder`.
        notice: Duration = seconds(5);
    }
    /// Watches, and the discovery of kinds.
    watching: Watching {
        /// The server ends each watch after this time; a connection that is silent for longer is dead. At least a second.
        server_timeout: Duration = seconds(60);
        /// The longest silence of the API server on any connection. It has to be longer than the server's timeout.
        silence: Duration = seconds(90);
        /// The longest silence within an initial list that is streamed, or before its end; after that, it is read in pages.
        listing_silence: Duration = seconds(10);
        /// The longest time between two questions for a kind that the API server doesn't know, and the time between two for all
        /// kinds, where there are handlers of any kind.
        discovery_interval: Duration = seconds(10);
        /// Handlers that wait for this long until all indexed kinds are listed are worth a warning.
        index_patience: Duration = seconds(10);
        /// Handlers wait so long at most until all indexed kinds are listed, and are called though the indexes lack something then. 0: as
        /// long as it takes.
        index_limit: Duration = seconds(0);
        /// The time after which a kind that the API server no longer knows counts as gone with all its objects.
        absence: Duration = seconds(10);
        /// About the time between a 410 and the relist that it asks for.
        relist_delay: Duration = seconds(1);
        /// The longest time between two tries to open a watch that fails. The first delay is about a second.
        retry_delay: Duration = seconds(5);
    }
    /// Single requests for an object.
    requests: Requests {
        /// The longest time for one request.
        timeout: Duration = seconds(30);
        /// The delays between tries of one request; the last one repeats.
        delays: Vec<Duration> =
            vec![millis(200), millis(500), seconds(1), seconds(2), seconds(5), seconds(10)];
        /// The requests of one write are retried for this time; then the object is left alone, so that its worker is free
        /// for others.
        patience: Duration = seconds(30);
        /// The same for an object whose requests have failed for that long in an earlier turn.
        short_patience: Duration = seconds(5);
        /// The tries until a missing permission isn't waited for any longer.
        permission_tries: usize = 4;
        /// The same for a permission that is known to be missing.
        known_permission_tries: usize = 2;
    }
    /// Behaviour where progress can't be stored.
    persistence: Persistence {
        /// An object is left alone for this time if its write failed, and may succeed later.
        failed_delay: Duration = seconds(30);
        /// The same if the API server rejected the write, or the operator lacks a permission.
        rejected_delay: Duration = seconds(300);
        /// After this time in one cycle, the progress is stored before the next handler is called.
        flush_after: Duration = seconds(5);
    }
    /// The queue, its workers, and throttling.
    queueing: Queueing {
        /// The most objects that are handled at the same time. At least 1.
        concurrency: usize = 64;
        /// The bytes of pending states that are held in memory. Above it only names are held, and the objects are read
        /// when their turn comes.
        budget: Bytes = Bytes(8 << 20);
        /// An own write is believed to be the newest version for this time while the watch hasn't shown it.
        trust: Duration = seconds(60);
        /// Where resource versions can't be compared, the echo of a write is awaited for this time.
        await_echo: Duration = seconds(5);
        /// All workers busy for this long while objects wait is worth a warning.
        saturation: Duration = seconds(30);
        /// The least time between two warnings of one kind.
        reminder: Duration = seconds(300);
        /// An object is throttled after this many passes (plus one for each of its handlers) within `pass_window`.
        passes: usize = 16;
        /// See `passes`.
        pass_window: Duration = seconds(5);
        /// An object is delayed that triggers give more turns than this within `trigger_window`.
        triggered_turns: usize = 100;
        /// See `triggered_turns`. An object that isn't triggered for this long after a turn is no longer delayed.
        trigger_window: Duration = seconds(5);
        /// The delays of an object that the framework fails over, or that is throttled, or triggered too often; the last one
        /// repeats.
        error_delays: Vec<Duration> =
            [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610].map(seconds).to_vec();
    }
    /// Leases, by which replicas agree on who handles what. A replica's clock may go a tenth faster or slower than another's.
    leases: Leases {
        /// A Lease that hasn't been renewed for this time is taken by another replica. In whole seconds, and longer than
        /// `renew_deadline` by a tenth at least. The same for all replicas.
        duration: Duration = seconds(15);
        /// A replica that can't renew its Lease stops working after this time. Longer than `retry_period` by a fifth at least.
        renew_deadline: Duration = seconds(10);
        /// About the time between two renewals, and between two tries.
        retry_period: Duration = seconds(2);
    }
    /// Daemons.
    daemons: Daemons {
        /// The time that a daemon which takes `Stopped` has to end by itself; then its future is dropped.
        cancellation_backoff: Duration = seconds(10);
        /// A daemon that goes on nevertheless, because it blocks its thread, is abandoned after this time.
        cancellation_timeout: Duration = seconds(5);
    }
    /// The operator's end.
    stopping: Stopping {
        /// How long running handlers may take to finish. Kubernetes kills a pod 30 s after it has asked it to stop.
        grace: Duration = seconds(25);
        /// The part of it that is kept for clean-up handlers, if there are any; at most half of it.
        cleanup: Duration = seconds(5);
    }
    /// Probe handlers.
    probing: Probing {
        /// The longest time for one that has no `timeout`: less than the second that the kubelet waits unless told otherwise.
        timeout: Duration = millis(800);
        /// What they have said is repeated for this time.
        max_age: Duration = seconds(10);
    }
    /// Answers to the question whether the operator is alive and ready.
    health: Health {
        /// The operator is no longer alive when its loop has not turned for this time: handlers block all threads. It turns every
        /// few seconds at least.
        turn_limit: Duration = seconds(30);
        /// The operator is no longer alive when no watch had contact to the API server for this time, or when a watch has hung for
        /// that long. A restart doesn't help against a server that is away; after ten minutes without one, the kubelet restarts a
        /// container without delay. Longer than `watching.silence` and `watching.discovery_interval`.
        contact_limit: Duration = seconds(600);
        /// The operator is no longer ready when a watch, or all writes of a kind, have failed for this time.
        patience: Duration = seconds(10);
    }
    /// Peering with operators for the same objects.
    peering: Peering {
        /// Others take the operator for dead when its record hasn't changed for this time: whole seconds, at least 6. It is written
        /// about twice as often.
        lifetime: Duration = seconds(60);
        /// The time that operators of Kopf are given to pause when this one comes first: they don't say when they have.
        patience: Duration = seconds(5);
    }
    /// Kubernetes events.
    posting: Posting {
        /// Events are posted about objects at which a handler fails permanently, is retried for long, or works again after that.
        transitions: bool = true;
        /// How long a handler is retried until an event is posted.
        patience: Duration = seconds(300);
        /// The least time from one such event about a handler's failures at an object to the next.
        pause: Duration = seconds(300);
        /// The longest time for one event.
        timeout: Duration = seconds(10);
        /// The events that may wait; later ones are dropped.
        capacity: usize = 1000;
    }
}

impl Settings {
    /// Sets what environment variables say: `KORF_SET_REQUESTS_TIMEOUT` for `requests.timeout`. An empty one counts as
    /// unset.
    ///
    /// # Errors
    /// One of them, `KORF_SET_…`, is that of no setting, or its value isn't one of its setting's type.
    pub fn set_from_environment(&mut self) -> Result<(), InvalidSetting> {
        let text =
            |(key, value): (OsString, OsString)| Some((key.into_string().ok()?, value.into_string().ok()?));
        let given = env::vars_os().filter_map(text);
        self.set_from(given.filter(|(key, value)| key.starts_with(VARIABLES) && !value.is_empty()))
    }

    fn set_from(&mut self, variables: impl Iterator<Item = (String, String)>) -> Result<(), InvalidSetting> {
        for (key, value) in variables {
            let name = NAMES.iter().find(|name| variable(name) == key);
            self.set(name.copied().unwrap_or(&key), &value)?;
        }
        Ok(())
    }

    /// How long daemons are waited for that are told to stop.
    pub(crate) fn stop_times(&self) -> StopTimes {
        let Daemons { cancellation_backoff, cancellation_timeout } = self.daemons;
        StopTimes { backoff: cancellation_backoff, timeout: cancellation_timeout }
    }

    /// The settings of the queue.
    pub(crate) fn queue(&self) -> queue::QueueLimits {
        let queueing = self.queueing.clone();
        let Queueing { budget, trust, await_echo, triggered_turns, trigger_window, error_delays, .. } =
            queueing;
        queue::QueueLimits {
            budget: budget.0,
            trust: Trust { own_writes: trust, await_echo },
            pace: queue::PaceLimits { turns: triggered_turns, window: trigger_window, delays: error_delays },
        }
    }
}

/// The environment variable of a setting.
pub fn variable(name: &str) -> String {
    format!("{VARIABLES}{}", name.to_uppercase().replace('.', "_"))
}

#[cfg(test)]
mod tests;
