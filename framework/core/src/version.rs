//! Which version of an object is the newest one known.

use std::time::{Duration, Instant};

/// How long a version of ours is believed to be the newest while the watch hasn't shown it.
///
/// After that the store behind the API server may have been restored from a backup: versions count from
/// an older number again, and what the watch says is the truth.
const TRUST: Duration = Duration::from_secs(60);

/// How long an echo is awaited where versions can't be compared (Kopf's consistency timeout).
const AWAIT_ECHO: Duration = Duration::from_secs(5);

/// What an object that the watch shows tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It is newer than what is known.
    Newer,
    /// Nothing: it is an echo, or older than what is known.
    None,
    /// It is older than what is known, but that is known for so long that the API server is to be asked.
    Doubtful,
}

/// The newest version of one object, and since when it is known.
///
/// Resource versions of one object are comparable integers since Kubernetes 1.35
/// ([KEP-5504](https://github.com/kubernetes/enhancements/issues/5504)). Servers that put something else
/// there get their writes echoed before anything else of the object is believed.
#[derive(Clone, Debug, PartialEq)]
pub struct Newest {
    version: String,
    since: Instant,
    ours: bool,
}

impl Newest {
    /// A version that the watch or a GET brought.
    pub fn seen(version: &str, now: Instant) -> Self {
        Self { version: version.to_owned(), since: now, ours: false }
    }

    /// A version that our own write brought.
    pub fn written(version: &str, now: Instant) -> Self {
        Self { version: version.to_owned(), since: now, ours: true }
    }

    /// No version: whatever comes is newer.
    pub fn none(now: Instant) -> Self {
        Self { version: String::new(), since: now, ours: false }
    }

    /// Whether a version is the one that is known already.
    pub fn is(&self, version: &str) -> bool {
        self.version == version
    }

    /// What an object of this version tells.
    pub fn weigh(&mut self, version: &str, now: Instant) -> News {
        if self.is(version) {
            self.ours = false;
            return News::None;
        }
        let age = now.saturating_duration_since(self.since);
        match (version.parse::<u64>(), self.version.parse::<u64>()) {
            (Ok(theirs), Ok(known)) if theirs > known => News::Newer,
            (Ok(_), Ok(_)) if age >= TRUST => News::Doubtful,
            (Ok(_), Ok(_)) => News::None,
            _ if !self.ours => News::Newer,
            _ if age >= AWAIT_ECHO => News::Doubtful,
            _ => News::None,
        }
    }
}

impl Newest {
    /// Whether this version is not older than another; none where the two can't be compared.
    pub fn covers(&self, other: &Self) -> Option<bool> {
        match (self.version.parse::<u64>(), other.version.parse::<u64>()) {
            _ if self.is(&other.version) => Some(true),
            (Ok(ours), Ok(theirs)) => Some(ours >= theirs),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_newer_versions_are_news_until_the_known_one_is_old() {
        let now = Instant::now();
        let later = |seconds| now + Duration::from_secs(seconds);
        let cases = [
            ("written number, echo", Newest::written("7", now), "7", 99, News::None),
            ("written number, older", Newest::written("7", now), "6", 1, News::None),
            ("written number, older by length", Newest::written("10", now), "9", 1, News::None),
            ("written number, newer", Newest::written("9", now), "10", 0, News::Newer),
            ("restored from a backup", Newest::written("7", now), "3", 60, News::Doubtful),
            ("seen number, older", Newest::seen("7", now), "6", 1, News::None),
            ("opaque, echo awaited", Newest::written("b", now), "a", 1, News::None),
            ("opaque, echo never came", Newest::written("b", now), "a", 5, News::Doubtful),
            ("opaque, seen", Newest::seen("a", now), "b", 0, News::Newer),
        ];
        for (name, mut newest, version, at, news) in cases {
            assert_eq!(newest.weigh(version, later(at)), news, "{name}");
        }
    }

    #[test]
    fn behind_the_echo_everything_is_news_where_versions_cannot_be_compared() {
        let now = Instant::now();
        let mut newest = Newest::written("b", now);
        let news = ["a", "b", "c"].map(|version| newest.weigh(version, now));
        assert_eq!(news, [News::None, News::None, News::Newer]);
    }
}
