//! Namespaces of an operator: names and globs, as `team-*,!team-x` has them.

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, error, fmt, str::FromStr};

/// A list of names and globs of namespaces, as `-n` takes it.
///
/// - Parts are separated by commas; spaces around them don't count.
/// - `*` stands for any characters, `?` for one.
/// - A part that begins with `!` takes out what the parts before it have let in. Where the first one does, all others are in.
/// - A part after such a one lets in again what the first parts had let in, and nothing else.
///
/// ```
/// use korf_core::namespaces::NamespaceList;
///
/// let list: NamespaceList = "team-*, !team-*-pr-*, *-pr-7".parse().unwrap();
/// assert!(list.admits("team-a") && list.admits("team-a-pr-7"));
/// assert!(!list.admits("team-a-pr-8") && !list.admits("other-pr-7"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceList {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    excludes: bool,
    glob: String,
}

impl Part {
    fn is_name(&self) -> bool {
        !self.glob.contains(['*', '?'])
    }
}

impl NamespaceList {
    /// Whether the namespace of this name is in the list.
    pub fn admits(&self, name: &str) -> bool {
        let first = self.parts.iter().take_while(|part| !part.excludes);
        // Nothing but exclusions: of all.
        let begun = self.excludes_first() || first.clone().any(|part| matches(&part.glob, name));
        let mut later = self.parts.iter().skip(first.count()).filter(|part| matches(&part.glob, name));
        begun && later.next_back().is_none_or(|part| !part.excludes)
    }

    fn excludes_first(&self) -> bool {
        self.parts.first().is_some_and(|part| part.excludes)
    }

    /// The parts that let something in.
    fn inclusions(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| !part.excludes)
    }

    fn has_globs(&self) -> bool {
        self.excludes_first()
            || self.parts.iter().take_while(|part| !part.excludes).any(|part| !part.is_name())
    }
}

impl fmt::Display for NamespaceList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, part) in self.parts.iter().enumerate() {
            let (comma, mark) = (if number > 0 { "," } else { "" }, if part.excludes { "!" } else { "" });
            write!(f, "{comma}{mark}{}", part.glob)?;
        }
        Ok(())
    }
}

impl FromStr for NamespaceList {
    type Err = InvalidNamespaces;

    fn from_str(text: &str) -> Result<Self, InvalidNamespaces> {
        // Somebody has mistaken the option, and the error goes to the log: a URL may have a password in it.
        if text.contains("://") {
            return Err(InvalidNamespaces::Name { part: "<a URL>".to_owned() });
        }
        let parts = text.split(',').map(|part| {
            let part = part.trim();
            let (excludes, glob) = part.strip_prefix('!').map_or((false, part), |glob| (true, glob.trim()));
            check(text, glob).map(|()| Part { excludes, glob: glob.to_owned() })
        });
        Ok(Self { parts: parts.collect::<Result<_, _>>()? })
    }
}

/// Checks a name against the rules of a DNS label, and a glob against the characters of one:
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names>
fn check(list: &str, glob: &str) -> Result<(), InvalidNamespaces> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let (is_glob, length) = (glob.contains(['*', '?']), glob.chars().filter(|c| *c != '*').count());
    if glob.is_empty() {
        return Err(InvalidNamespaces::Empty { list: list.to_owned() });
    }
    let fits = length <= 63 && glob.chars().all(|c| inner(c) || c == '*' || c == '?');
    // Neither can a glob match a name with `-` at an end.
    if fits && !glob.starts_with('-') && !glob.ends_with('-') {
        return Ok(());
    }
    let part = glob.to_owned();
    Err(if is_glob { InvalidNamespaces::Glob { part } } else { InvalidNamespaces::Name { part } })
}

/// Whether a name fits a glob, in linear space and without recursion.
fn matches(glob: &str, name: &str) -> bool {
    let (glob, name) = (glob.as_bytes(), name.as_bytes());
    let (mut at, mut from) = (0, 0);
    // The last `*`, and where in the name what it stands for ends.
    let mut star: Option<(usize, usize)> = None;
    while from < name.len() {
        match (glob.get(at), star) {
            (Some(b'*'), _) => {
                star = Some((at, from));
                at += 1;
            }
            (Some(c), _) if *c == b'?' || *c == name[from] => (at, from) = (at + 1, from + 1),
            (_, Some((last, end))) => {
                star = Some((last, end + 1));
                (at, from) = (last + 1, end + 1);
            }
            (_, None) => return false,
        }
    }
    glob[at..].iter().all(|c| *c == b'*')
}

/// The namespaces of an operator: those that one of its lists has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceSet {
    lists: Vec<NamespaceList>,
}

impl NamespaceSet {
    /// The namespaces of these lists.
    ///
    /// # Errors
    /// A list has a mistake, or lets in everything that the others leave out.
    pub fn parse<T: AsRef<str>>(lists: impl IntoIterator<Item = T>) -> Result<Self, InvalidNamespaces> {
        let lists: Vec<NamespaceList> =
            lists.into_iter().map(|list| list.as_ref().parse()).collect::<Result<_, _>>()?;
        match lists.iter().find(|list| list.excludes_first()) {
            Some(list) if lists.len() > 1 => Err(InvalidNamespaces::Alone { list: list.to_string() }),
            _ => Ok(Self { lists }),
        }
    }

    /// Whether there are no lists.
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// Whether the namespace of this name is one of them.
    pub fn admits(&self, name: &str) -> bool {
        self.lists.iter().any(|list| list.admits(name))
    }

    /// The namespaces that it names, whether they exist or not.
    pub fn names(&self) -> BTreeSet<String> {
        let parts = self.lists.iter().flat_map(NamespaceList::inclusions).filter(|part| part.is_name());
        parts.map(|part| part.glob.clone()).filter(|name| self.admits(name)).collect()
    }

    /// Whether only the API server knows which ones there are.
    pub fn has_globs(&self) -> bool {
        self.lists.iter().any(NamespaceList::has_globs)
    }
}

/// As the command line has them: `team-*,!team-x`.
impl fmt::Display for NamespaceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, list) in self.lists.iter().enumerate() {
            write!(f, "{}{list}", if number > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

/// A mistake in a list of namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidNamespaces {
    /// A part is empty.
    Empty {
        /// The list.
        list: String,
    },
    /// A part isn't the name of a namespace.
    Name {
        /// The part.
        part: String,
    },
    /// No namespace can have a name that fits a part.
    Glob {
        /// The part.
        part: String,
    },
    /// A list that begins with an exclusion is one of several.
    Alone {
        /// The list.
        list: String,
    },
}

impl fmt::Display for InvalidNamespaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { list } => {
                write!(f, "{list:?} has an empty part: remove a comma, or name a namespace")
            }
            Self::Name { part } => write!(
                f,
                "{part:?} can't be a namespace: its name has 1 to 63 lower-case letters, digits and `-`, the latter not at an \
                 end"
            ),
            Self::Glob { part } => write!(
                f,
                "no namespace fits {part:?}: besides `*` and `?`, a glob has lower-case letters, digits and `-`, the latter \
                 not at an end"
            ),
            Self::Alone { list } => write!(
                f,
                "{list:?} means all other namespaces, so the lists beside it have no effect: write one list, such as \
                 \"team-*,{list}\""
            ),
        }
    }
}

impl error::Error for InvalidNamespaces {}
