//! Names of Leases: of the operator, of a shard, of a replica.

use crate::shard::{Shard, Shards, hash};
use std::fmt;

/// A Lease of an operator, by its part in the election.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeaseName {
    /// `<operator>`: it says how many shards there are; where there is one, it is also that one's.
    Operator,
    /// `<operator>-<shard>-of-<shards>`.
    Shard(u16, u16),
    /// `<operator>-replica-<id>`: the replica is alive.
    Replica(String),
}

impl LeaseName {
    /// That of a shard.
    pub fn of(shard: Shard, shards: Shards) -> Self {
        match shards.number() {
            1 => Self::Operator,
            number => Self::Shard(shard.0, number),
        }
    }

    /// That of a name; none if it is no Lease of the operator.
    pub fn parse(operator: &str, name: &str) -> Option<Self> {
        let rest = name.strip_prefix(operator)?;
        if rest.is_empty() {
            return Some(Self::Operator);
        }
        let rest = rest.strip_prefix('-')?;
        if let Some(id) = rest.strip_prefix("replica-") {
            return Some(Self::Replica(id.to_owned()));
        }
        let (shard, shards) = rest.split_once("-of-")?;
        let (shard, shards): (u16, u16) = (shard.parse().ok()?, shards.parse().ok()?);
        (shard < shards).then_some(Self::Shard(shard, shards))
    }

    /// The name on the API server.
    pub fn text(&self, operator: &str) -> String {
        match self {
            Self::Operator => operator.to_owned(),
            Self::Shard(shard, shards) => format!("{operator}-{shard}-of-{shards}"),
            Self::Replica(id) => format!("{operator}-replica-{id}"),
        }
    }

    /// The shard, if it is that of one of these shards.
    pub fn shard(&self, shards: Shards) -> Option<Shard> {
        match self {
            Self::Operator if shards.number() == 1 => Some(Shard(0)),
            Self::Shard(shard, number) if *number == shards.number() => Some(Shard(*shard)),
            _ => None,
        }
    }

    /// Whether it is that of a shard, however many there are.
    pub fn is_of_shard(&self) -> bool {
        !matches!(self, Self::Replica(_))
    }
}

/// The id by which the Lease of a replica is named: identities have letters that names can't have.
pub fn presence_id(identity: &str) -> String {
    struct Text<'a>(&'a str);
    impl fmt::Display for Text<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }
    format!("{:016x}", hash(&Text(identity)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (name, text) in [
            (LeaseName::Operator, "greeter"),
            (LeaseName::Shard(3, 16), "greeter-3-of-16"),
            (LeaseName::Replica("00ff".into()), "greeter-replica-00ff"),
        ] {
            assert_eq!(name.text("greeter"), text);
            assert_eq!(LeaseName::parse("greeter", text), Some(name), "{text}");
        }
        for text in ["greet", "greeters", "greeter-", "greeter-4-of-4", "greeter-a-of-4", "other-1-of-4"] {
            assert_eq!(LeaseName::parse("greeter", text), None, "{text}");
        }
    }

    #[test]
    fn the_only_shard_has_the_lease_of_the_operator() {
        let shards = |number: &str| number.parse::<Shards>().unwrap();
        assert_eq!(LeaseName::of(Shard(0), shards("1")), LeaseName::Operator);
        assert_eq!(LeaseName::of(Shard(0), shards("4")), LeaseName::Shard(0, 4));
        assert_eq!(LeaseName::Operator.shard(shards("4")), None);
        assert_eq!(LeaseName::Shard(2, 4).shard(shards("4")), Some(Shard(2)));
        assert_eq!(LeaseName::Shard(2, 4).shard(shards("16")), None);
    }
}
