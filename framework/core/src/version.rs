//! Versions of objects: the newest known one, and news compared with it.

use std::time::{Duration, Instant};

/// The time for which our own writes count as the newest versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Our own write counts as the newest version for this time until the watch shows it.
    ///
    /// After that, etcd may have been restored from a backup: versions count from an older number again, and the watch is
    /// right.
    pub own_writes: Duration,
    /// If versions can't be compared, the echo of a write is awaited for this time (Kopf's consistency timeout).
    pub await_echo: Duration,
}

impl Default for Trust {
    fn default() -> Self {
        Self { own_writes: Duration::from_secs(60), await_echo: Duration::from_secs(5) }
    }
}

/// Meaning of a version that the watch shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It is newer than the known one.
    Newer,
    /// It is an echo, or older than the known one.
    None,
    /// It is older than the known one, which has been known for so long that the object is to be read from the API server.
    Doubtful,
}

/// The newest known version of one object.
///
/// Resource versions of one object are comparable integers since Kubernetes 1.35
/// ([KEP-5504](https://github.com/kubernetes/enhancements/issues/5504)). If they aren't, the
/// echo of a write is awaited before any other version is trusted.
#[derive(Clone, Debug, PartialEq)]
pub struct Newest {
    version: Version,
    since: Instant,
    ours: bool,
}

/// A resource version, kept small: an operator holds one for each object that it knows.
#[derive(Clone, Debug, PartialEq)]
enum Version {
    /// A number as the API server writes it.
    Number(u64),
    /// Any other text.
    Text(Box<str>),
}

impl Version {
    fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        }
    }

    fn is(&self, text: &str) -> bool {
        match self {
            Self::Number(_) => *self == Self::from(text),
            Self::Text(known) => **known == *text,
        }
    }
}

impl From<&str> for Version {
    fn from(text: &str) -> Self {
        match text.parse() {
            Ok(number) if text == "0" || text.starts_with(|first: char| ('1'..='9').contains(&first)) => {
                Self::Number(number)
            }
            _ => Self::Text(text.into()),
        }
    }
}

impl Newest {
    /// A version from the watch or a GET.
    pub fn seen(version: &str, now: Instant) -> Self {
        Self { version: version.into(), since: now, ours: false }
    }

    /// A version from our own write.
    pub fn written(version: &str, now: Instant) -> Self {
        Self { version: version.into(), since: now, ours: true }
    }

    /// No version: any other one is newer.
    pub fn none(now: Instant) -> Self {
        Self { version: "".into(), since: now, ours: false }
    }

    /// Whether a version is the known one.
    pub fn is(&self, version: &str) -> bool {
        self.version.is(version)
    }

    /// The version as a number, if it is one.
    pub fn number(&self) -> Option<u64> {
        self.version.number()
    }

    /// Compares a version with the known one.
    pub fn weigh(&mut self, version: &str, trust: Trust, now: Instant) -> News {
        if self.is(version) {
            self.ours = false;
            return News::None;
        }
        let age = now.saturating_duration_since(self.since);
        match (Version::from(version).number(), self.version.number()) {
            (Some(theirs), Some(known)) if theirs > known => News::Newer,
            (Some(_), Some(_)) if age >= trust.own_writes => News::Doubtful,
            (Some(_), Some(_)) => News::None,
            _ if !self.ours => News::Newer,
            _ if age >= trust.await_echo => News::Doubtful,
            _ => News::None,
        }
    }

    /// Whether this version is at least as new as another; none if the two can't be compared.
    pub fn covers(&self, other: &Self) -> Option<bool> {
        match (self.version.number(), other.version.number()) {
            _ if self.version == other.version => Some(true),
            (Some(ours), Some(theirs)) => Some(ours >= theirs),
            _ => None,
        }
    }
}

/// Whether a version is newer than another one. Where the two can't be compared, it is unless it is the same.
pub fn is_newer(version: &str, than: &str) -> bool {
    let [one, other] = [version, than].map(Version::from);
    match (one.number(), other.number()) {
        (Some(one), Some(other)) => one > other,
        _ => one != other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_text_that_it_was_made_of() {
        let now = Instant::now();
        let texts = ["", "0", "7", "07", "+7", "18446744073709551615", "18446744073709551616", "a"];
        for text in texts {
            let same: Vec<_> = texts.into_iter().filter(|other| Newest::seen(text, now).is(other)).collect();
            assert_eq!(same, [text]);
        }
    }

    #[test]
    fn only_newer_versions_are_news_until_the_known_one_has_aged() {
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
            assert_eq!(newest.weigh(version, Trust::default(), later(at)), news, "{name}");
        }
    }

    #[test]
    fn after_the_echo_every_version_is_news_if_versions_cannot_be_compared() {
        let now = Instant::now();
        let mut newest = Newest::written("b", now);
        let news = ["a", "b", "c"].map(|version| newest.weigh(version, Trust::default(), now));
        assert_eq!(news, [News::None, News::None, News::Newer]);
    }
}
