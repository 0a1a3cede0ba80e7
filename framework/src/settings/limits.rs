//! Limits of settings: values with which an operator would spin, or end itself again and again.

use super::{InvalidSetting, Leases, Settings, Value};
use std::time::Duration;

/// Longer times overflow clocks.
const MOST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Settings that may be 0: what they put off comes at once then, or not at all.
const MAY_BE_ZERO: [&str; 20] = [
    "daemons.cancellation_backoff",
    "daemons.cancellation_timeout",
    "health.patience",
    "peering.patience",
    "persistence.flush_after",
    "posting.patience",
    "posting.pause",
    "probing.max_age",
    "queueing.await_echo",
    "queueing.pass_window",
    "queueing.saturation",
    "queueing.trust",
    "requests.patience",
    "requests.short_patience",
    "starting.notice",
    "stopping.cleanup",
    "stopping.grace",
    "watching.absence",
    "watching.index_limit",
    "watching.index_patience",
];

/// The least value of a setting.
fn least(name: &str) -> Duration {
    match name {
        // What is read in whole seconds, and what counts the turns of a loop.
        "watching.server_timeout" | "health.turn_limit" | "leases.duration" => Duration::from_secs(1),
        // Less leaves no time for a request that fails.
        "peering.lifetime" => Duration::from_secs(6),
        _ if MAY_BE_ZERO.contains(&name) => Duration::ZERO,
        _ => Duration::from_millis(1),
    }
}

/// Checks one setting.
pub(super) fn check(name: &'static str, value: &impl Value) -> Result<(), InvalidSetting> {
    match value.misfit(least(name)) {
        Some(expected) => Err(InvalidSetting::Limit { name, value: value.text(), expected }),
        None => Ok(()),
    }
}

pub(super) fn of_time(time: Duration, least: Duration) -> Option<String> {
    if time < least {
        return Some(format!("give it at least {}", least.text()));
    }
    (time > MOST).then(|| format!("give it at most {}h", MOST.as_secs() / 3600))
}

/// Delays of which the last one repeats.
pub(super) fn of_delays(delays: &[Duration], least: Duration) -> Option<String> {
    match delays.last() {
        None => Some("give it one delay at least".to_owned()),
        Some(last) if *last < least => {
            Some(format!("its last delay, which repeats, has to be {} at least", least.text()))
        }
        Some(_) => delays.iter().find_map(|delay| of_time(*delay, Duration::ZERO)),
    }
}

impl Settings {
    /// Checks the settings of which one has to be longer than another.
    pub(super) fn check_order(&self) -> Result<(), InvalidSetting> {
        let server_timeout = ("watching.server_timeout", self.watching.server_timeout);
        let silence = ("watching.silence", self.watching.silence);
        let contact = ("health.contact_limit", self.health.contact_limit);
        for (longer, shorter) in [
            // A quiet watch would be cut before the server ends it.
            (silence, server_timeout),
            // A quiet or dead connection would be taken for a lost API server, and the process be killed.
            (contact, silence),
            // And so would a kind whose CRD is missing.
            (contact, ("watching.discovery_interval", self.watching.discovery_interval)),
        ] {
            if longer.1 <= shorter.1 {
                let expected = format!(
                    "it has to be longer than `{}`, which is {}: raise it, or lower that",
                    shorter.0,
                    shorter.1.text()
                );
                return Err(InvalidSetting::Limit { name: longer.0, value: longer.1.text(), expected });
            }
        }
        self.check_leases()
    }

    fn check_leases(&self) -> Result<(), InvalidSetting> {
        let Leases { duration, renew_deadline, retry_period } = self.leases;
        let expected = |least: Duration, of: &str, part: &str| {
            format!("give it {} at least, which is `leases.{of}` and a {part} of it", least.text())
        };
        let (name, value, expected) = if duration.subsec_nanos() > 0 {
            ("leases.duration", duration, "a Lease has whole seconds".to_owned())
        } else if duration < renew_deadline + renew_deadline / 10 {
            let least = renew_deadline + renew_deadline / 10;
            ("leases.duration", duration, expected(least, "renew_deadline", "tenth"))
        } else if renew_deadline < retry_period + retry_period / 5 {
            let least = retry_period + retry_period / 5;
            ("leases.renew_deadline", renew_deadline, expected(least, "retry_period", "fifth"))
        } else {
            return Ok(());
        };
        Err(InvalidSetting::Limit { name, value: value.text(), expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::NAMES;

    #[test]
    fn values_with_which_an_operator_would_spin_are_rejected() {
        for name in NAMES.iter().filter(|name| Settings::default().set(name, "0s").is_ok()) {
            assert!(MAY_BE_ZERO.contains(name), "{name}");
        }
        for name in MAY_BE_ZERO {
            Settings::default().set(name, "0s").unwrap();
        }
        for (name, value, expected) in [
            ("health.turn_limit", "0s", "the setting `health.turn_limit` can't be 0s: give it at least 1s"),
            ("health.turn_limit", "999ms", "give it at least 1s"),
            ("watching.discovery_interval", "0ms", "give it at least 1ms"),
            ("queueing.reminder", "0s", "give it at least 1ms"),
            ("requests.delays", "1s,0s", "its last delay, which repeats, has to be 1ms at least"),
            ("requests.timeout", "999999999h", "give it at most 876000h"),
            ("queueing.error_delays", "999999999h,1s", "give it at most 876000h"),
        ] {
            let mut settings = Settings::default();
            let error = settings.set(name, value).unwrap_err().to_string();
            assert!(error.ends_with(expected), "{name}={value}: {error}");
            assert_eq!(settings, Settings::default(), "{name}={value}");
        }
        Settings::default().set("requests.delays", "0s,1s").unwrap();
    }

    #[test]
    fn numbers_and_lists_of_code_are_checked_as_those_of_the_command_line() {
        Settings::default().check().unwrap();
        let changes: [fn(&mut Settings); 4] = [
            |settings| settings.posting.capacity = 0,
            |settings| settings.queueing.passes = 0,
            |settings| settings.requests.delays.clear(),
            |settings| settings.watching.retry_delay = Duration::ZERO,
        ];
        for change in changes {
            let mut settings = Settings::default();
            change(&mut settings);
            assert!(matches!(settings.check(), Err(InvalidSetting::Limit { .. })), "{settings:?}");
        }
    }

    #[test]
    fn limits_that_contradict_each_other_are_named_together() {
        for (given, expected) in [
            (
                &[("health.contact_limit", "60s")][..],
                Some(
                    "the setting `health.contact_limit` can't be 60s: it has to be longer than `watching.silence`, which is \
                      90s: raise it, or lower that",
                ),
            ),
            (
                &[("watching.server_timeout", "90s")],
                Some(
                    "the setting `watching.silence` can't be 90s: it has to be longer than `watching.server_timeout`, which \
                      is 90s: raise it, or lower that",
                ),
            ),
            (&[("watching.server_timeout", "200s"), ("watching.silence", "201s")], None),
            (
                &[("leases.renew_deadline", "14s")],
                Some(
                    "the setting `leases.duration` can't be 15s: give it 15400ms at least, which is `leases.renew_deadline` and \
                      a tenth of it",
                ),
            ),
            (
                &[("leases.retry_period", "9s")],
                Some(
                    "the setting `leases.renew_deadline` can't be 10s: give it 10800ms at least, which is `leases.retry_period` \
                      and a fifth of it",
                ),
            ),
            (
                &[("leases.duration", "15500ms")],
                Some("the setting `leases.duration` can't be 15500ms: a Lease has whole seconds"),
            ),
            (
                &[
                    ("leases.duration", "3s"),
                    ("leases.renew_deadline", "2s"),
                    ("leases.retry_period", "500ms"),
                ],
                None,
            ),
            (
                &[("watching.discovery_interval", "11m")],
                Some(
                    "the setting `health.contact_limit` can't be 600s: it has to be longer than \
                      `watching.discovery_interval`, which is 660s: raise it, or lower that",
                ),
            ),
        ] {
            let mut settings = Settings::default();
            given.iter().for_each(|(name, value)| settings.set(name, value).unwrap());
            let error = settings.check().err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), expected, "{given:?}");
        }
    }
}
