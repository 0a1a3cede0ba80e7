//! Standing: which of several objects of the same cluster id, namespace and name has a table.
//!
//! An object that is created again has another uid, and takes the table of the one before it. The same happens where two operators
//! have one cluster id by mistake, and each knows only its own objects. So the line keeps the uids of those from whom the table was
//! taken. One that is still there, and finds itself among them, claims the table. From then on nobody changes or drops it, until
//! only one is left.

use super::{Line, Owner, parse_line};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most uids of former owners that a line has: so many operators with one cluster id are found out.
const MOST_FORMER: usize = 3;

/// How an object stands to a table whose line names its cluster, its namespace and its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The table is this very object's.
    Own,
    /// The table is an earlier object's, whose place this one takes if it exists.
    Earlier,
    /// Another object has taken the table from this one, which hasn't claimed it yet.
    Taken,
    /// Several objects claim the table.
    Disputed,
}

/// The uids of other objects that a line names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Others {
    /// A list of those from whom the table was taken, the last one first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    former: Option<Value>,
    /// A list of those among them that claim it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claimants: Option<Value>,
}

impl Others {
    fn new(former: Vec<String>, claimants: Vec<String>) -> Self {
        let list = |uids: Vec<String>| (!uids.is_empty()).then(|| uids.into());
        Self { former: list(former), claimants: list(claimants) }
    }

    fn former(&self) -> Vec<String> {
        uids(self.former.as_ref())
    }

    fn claimants(&self) -> Vec<String> {
        uids(self.claimants.as_ref())
    }
}

/// What is understood of it: somebody may have put anything there.
fn uids(list: Option<&Value>) -> Vec<String> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|uid| uid.as_str().map(ToOwned::to_owned)).collect()
}

impl Owner {
    /// How it stands to a table with this comment; `None` if the line names another namespace or name, or there is none.
    pub fn standing(&self, comment: &str) -> Option<Standing> {
        let Line { owner, others, .. } =
            comment.lines().find_map(parse_line).filter(|line| line.owner.matches(self))?;
        let claimants = others.claimants();
        let has_lost =
            owner.uid != self.uid && !claimants.contains(&self.uid) && others.former().contains(&self.uid);
        Some(match (owner.uid == self.uid, claimants.is_empty()) {
            _ if has_lost => Standing::Taken,
            (_, false) => Standing::Disputed,
            (true, true) => Standing::Own,
            (false, true) => Standing::Earlier,
        })
    }

    /// The uids of the other objects that have a table with this comment, or claim it.
    pub fn rivals(&self, comment: &str) -> Vec<String> {
        let Some(line) = comment.lines().find_map(parse_line) else { return Vec::new() };
        let all = [line.owner.uid].into_iter().chain(line.others.claimants());
        all.filter(|uid| *uid != self.uid).collect()
    }

    /// The comment in which this object claims the table.
    pub fn claim_in(&self, comment: &str) -> String {
        rewritten(comment, |line| {
            let without = |uids: Vec<String>| uids.into_iter().filter(|uid| *uid != self.uid);
            let claimants = without(line.others.claimants()).chain([self.uid.clone()]).collect();
            line.others = Others::new(without(line.others.former()).collect(), claimants);
        })
    }

    /// The comment by which this object, and no other, has the table.
    pub fn decide_in(&self, comment: &str) -> String {
        rewritten(comment, |line| {
            line.others = Others::new(line.former_before(self), Vec::new());
            line.owner = self.clone();
        })
    }

    /// The comment without this object's claim: the next one has the table. `None` if it has none.
    pub fn withdraw_from(&self, comment: &str) -> Option<String> {
        let found = comment.lines().find_map(parse_line)?;
        let mut claimants = found.others.claimants();
        let is_owner = found.owner.uid == self.uid;
        if claimants.is_empty() || !(is_owner || claimants.contains(&self.uid)) {
            return None;
        }
        let next = if is_owner { claimants.remove(0) } else { found.owner.uid };
        claimants.retain(|uid| *uid != self.uid);
        Some(rewritten(comment, |line| {
            line.owner.uid.clone_from(&next);
            line.others = Others::new(line.others.former(), claimants.clone());
        }))
    }
}

impl Line {
    /// The others, once an object has the table.
    pub(super) fn others_of(&self, owner: &Owner) -> Others {
        match (self.owner.matches(owner), self.owner.uid == owner.uid) {
            (false, _) => Others::default(),
            (true, true) => self.others.clone(),
            (true, false) => Others::new(self.former_before(owner), Vec::new()),
        }
    }

    /// Those from whom an object takes the table.
    fn former_before(&self, owner: &Owner) -> Vec<String> {
        let all =
            [self.owner.uid.clone()].into_iter().chain(self.others.claimants()).chain(self.others.former());
        let mut former = Vec::new();
        for uid in all.filter(|uid| *uid != owner.uid) {
            if former.len() < MOST_FORMER && !former.contains(&uid) {
                former.push(uid);
            }
        }
        former
    }
}

fn rewritten(comment: &str, change: impl FnOnce(&mut Line)) -> String {
    let Some(mut line) = comment.lines().find_map(parse_line) else { return comment.to_owned() };
    change(&mut line);
    line.put_into(comment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marker::FromSpec;

    fn with_uid(uid: &str) -> Owner {
        Owner { cluster: "c".into(), namespace: "shop".into(), name: "a".into(), uid: uid.into() }
    }

    fn marked(owner: &Owner, comment: &str) -> String {
        owner.mark_comment(Some(comment), &FromSpec::of_columns(["id".to_owned()].into()))
    }

    fn standings(comment: &str) -> [Option<Standing>; 3] {
        ["1", "2", "3"].map(|uid| with_uid(uid).standing(comment))
    }

    #[test]
    fn a_successor_has_the_table_until_the_one_before_it_claims_it() {
        use Standing::{Disputed, Earlier, Own, Taken};
        let [one, two] = ["1", "2"].map(with_uid);
        let first = marked(&one, "Mine.");
        assert_eq!(standings(&first), [Own, Earlier, Earlier].map(Some));
        assert_eq!(marked(&one, &first), first);
        let taken = marked(&two, &first);
        assert_eq!(standings(&taken), [Taken, Own, Earlier].map(Some));
        assert_eq!(marked(&two, &taken), taken);
        let claimed = one.claim_in(&taken);
        assert_eq!(standings(&claimed), [Disputed; 3].map(Some));
        assert_eq!(
            (one.rivals(&claimed), two.rivals(&claimed)),
            (vec!["2".to_owned()], vec!["1".to_owned()])
        );
        assert!(claimed.starts_with("Mine.\n") && claimed.contains("\"columns\":[\"id\"]"), "{claimed}");
        // By a decision, or because the other one goes.
        let decided = one.decide_in(&claimed);
        assert_eq!(standings(&decided), [Own, Taken, Earlier].map(Some));
        assert_eq!(standings(&two.decide_in(&claimed)), [Taken, Own, Earlier].map(Some));
        assert_eq!(standings(&two.withdraw_from(&claimed).unwrap()), [Own, Earlier, Earlier].map(Some));
        assert_eq!(standings(&one.withdraw_from(&claimed).unwrap()), [Earlier, Own, Earlier].map(Some));
        assert_eq!(with_uid("3").withdraw_from(&claimed), None);
        assert_eq!(two.withdraw_from(&taken), None);
    }

    #[test]
    fn three_find_each_other_and_a_line_does_not_grow() {
        let [one, two, three] = ["1", "2", "3"].map(with_uid);
        let taken = marked(&three, &marked(&two, &marked(&one, "")));
        assert_eq!(standings(&taken), [Standing::Taken, Standing::Taken, Standing::Own].map(Some));
        let claimed = two.claim_in(&one.claim_in(&taken));
        assert_eq!(standings(&claimed), [Standing::Disputed; 3].map(Some));
        let left = two.withdraw_from(&three.withdraw_from(&claimed).unwrap()).unwrap();
        assert_eq!(one.standing(&left), Some(Standing::Own));
        let again = |comment: String, uid: u32| marked(&with_uid(&uid.to_string()), &comment);
        let many = (0..50).fold(String::new(), again);
        assert!(many.contains("\"uid\":\"49\",\"former\":[\"48\",\"47\",\"46\"],"), "{many}");
    }

    #[test]
    fn other_lines_and_strange_lists_are_no_claim() {
        let one = with_uid("1");
        assert_eq!((one.standing(""), one.standing("Mine.")), (None, None));
        let other = Owner { cluster: "d".into(), ..with_uid("1") };
        assert_eq!(other.standing(&marked(&one, "")), None);
        assert_eq!(
            one.mark_comment(Some(&marked(&with_uid("2"), &marked(&other, ""))), &FromSpec::default())
                .matches("\"d\"")
                .count(),
            0
        );
        let strange =
            marked(&one, "").replace("\"uid\":\"1\"", "\"uid\":\"1\",\"former\":7,\"claimants\":[7,null]");
        assert_eq!(one.standing(&strange), Some(Standing::Own));
    }
}
