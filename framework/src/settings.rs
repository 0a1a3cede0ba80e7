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

mod limits;

use korf_core::{daemon::StopTimes, queue, version::Trust};
use std::{env, error, ffi::OsString, fmt, time::Duration};

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

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub usize);

/// A setting that can't be set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidSetting {
    /// There is no setting of this name.
    Name(String),
    /// The text isn't a value of the setting's type.
    Value {
        /// The name of the setting.
        name: String,
        /// The text.
        value: String,
        /// What is expected.
        expected: &'static str,
    },
    /// No operator can work with this value.
    Limit {
        /// The name of the setting.
        name: &'static str,
        /// The value.
        value: String,
        /// What it has to be instead.
        expected: String,
    },
}

impl fmt::Display for InvalidSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => {
                write!(f, "there is no setting `{name}`; the settings are: {}", NAMES.join(", "))
            }
            Self::Value { name, value, expected } => {
                write!(f, "`{value}` can't be the value of the setting `{name}`: expected {expected}")
            }
            Self::Limit { name, value, expected } => {
                write!(f, "the setting `{name}` can't be {value}: {expected}")
            }
        }
    }
}

impl error::Error for InvalidSetting {}

/// A type of settings.
trait Value: Sized {
    const EXPECTED: &'static str;

    fn read(text: &str) -> Option<Self>;

    fn text(&self) -> String;

    /// What it has to be instead, if it is less than this, or too much.
    fn misfit(&self, least: Duration) -> Option<String>;
}

fn parse<V: Value>(name: &str, value: &str) -> Result<V, InvalidSetting> {
    V::read(value.trim()).ok_or_else(|| InvalidSetting::Value {
        name: name.to_owned(),
        value: value.to_owned(),
        expected: V::EXPECTED,
    })
}

/// The number before a unit, and the unit.
fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

impl Value for Duration {
    const EXPECTED: &'static str = "a number with a unit, `ms`, `s`, `m` or `h`: `30s`";

    fn read(text: &str) -> Option<Self> {
        let (number, unit) = split(text);
        let factor = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        Self::try_from_secs_f64(number.parse::<f64>().ok()? * factor).ok()
    }

    fn text(&self) -> String {
        match self.subsec_millis() {
            0 => format!("{}s", self.as_secs()),
            _ => format!("{}ms", self.as_millis()),
        }
    }

    fn misfit(&self, least: Duration) -> Option<String> {
        limits::of_time(*self, least)
    }
}

impl Value for Vec<Duration> {
    const EXPECTED: &'static str = "durations with commas between them: `200ms,1s,5s`";

    fn read(text: &str) -> Option<Self> {
        text.split(',').map(|part| Duration::read(part.trim())).collect()
    }

    fn text(&self) -> String {
        self.iter().map(Value::text).collect::<Vec<_>>().join(",")
    }

    fn misfit(&self, least: Duration) -> Option<String> {
        limits::of_delays(self, least)
    }
}

impl Value for bool {
    const EXPECTED: &'static str = "`true` or `false`";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn text(&self) -> String {
        self.to_string()
    }

    fn misfit(&self, _: Duration) -> Option<String> {
        None
    }
}

impl Value for usize {
    const EXPECTED: &'static str = "a whole number of at least 1";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number| *number > 0)
    }

    fn text(&self) -> String {
        self.to_string()
    }

    fn misfit(&self, _: Duration) -> Option<String> {
        (*self == 0).then(|| "give it at least 1".to_owned())
    }
}

impl Value for Bytes {
    const EXPECTED: &'static str = "a number of bytes, `KiB` or `MiB`: `8MiB`";

    fn read(text: &str) -> Option<Self> {
        let (number, unit) = split(text);
        let shift = match unit {
            "" | "B" => 0,
            "KiB" => 10,
            "MiB" => 20,
            _ => return None,
        };
        number.parse::<usize>().ok()?.checked_mul(1 << shift).map(Self)
    }

    fn text(&self) -> String {
        match self.0 {
            bytes if bytes > 0 && bytes % (1 << 20) == 0 => format!("{}MiB", bytes >> 20),
            bytes if bytes > 0 && bytes % (1 << 10) == 0 => format!("{}KiB", bytes >> 10),
            bytes => bytes.to_string(),
        }
    }

    fn misfit(&self, _: Duration) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_can_be_set_by_the_text_of_its_value() {
        let defaults = Settings::default();
        for (name, text) in defaults.values() {
            let mut settings = Settings::default();
            settings.set(name, &text).unwrap();
            assert_eq!(settings, defaults, "{name}={text}");
        }
        assert_eq!(defaults.values().iter().map(|(name, _)| *name).collect::<Vec<_>>(), NAMES);
    }

    #[test]
    fn values_have_units_and_what_is_none_is_rejected_with_an_example() {
        let mut settings = Settings::default();
        let cases = [
            ("requests.timeout", "1.5s", Some("1500ms")),
            ("requests.timeout", "2m", Some("120s")),
            ("requests.timeout", "2", None),
            ("requests.timeout", "-2s", None),
            ("requests.delays", "200ms, 1s", Some("200ms,1s")),
            ("requests.delays", "", None),
            ("queueing.concurrency", "0", None),
            ("queueing.concurrency", "8", Some("8")),
            ("queueing.budget", "64KiB", Some("64KiB")),
            ("queueing.budget", "1GB", None),
        ];
        for (name, value, expected) in cases {
            let text = match settings.set(name, value) {
                Ok(()) => {
                    settings.values().into_iter().find(|(known, _)| *known == name).map(|(_, text)| text)
                }
                Err(InvalidSetting::Value { .. }) => None,
                Err(error) => panic!("{error}"),
            };
            assert_eq!(text.as_deref(), expected, "{name}={value}");
        }
        let unknown = settings.set("request.timeout", "1s").unwrap_err().to_string();
        assert!(unknown.contains("requests.timeout"), "{unknown}");
        assert_eq!(variable("requests.timeout"), "KORF_SET_REQUESTS_TIMEOUT");
    }

    #[test]
    fn a_variable_of_no_setting_is_an_error() {
        let mut settings = Settings::default();
        let mut set = |key: &str| {
            settings.set_from([(key.to_owned(), "7s".to_owned())].into_iter()).map_err(|e| e.to_string())
        };
        set("KORF_SET_REQUESTS_TIMEOUT").unwrap();
        let error = set("KORF_SET_REQUESTS_TIMOUT").unwrap_err();
        assert!(error.contains("no setting `KORF_SET_REQUESTS_TIMOUT`"), "{error}");
        assert_eq!(settings.requests.timeout, Duration::from_secs(7));
    }
}
