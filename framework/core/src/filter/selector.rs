//! Selectors of labels, as kubectl takes them: `app=web,tier,!legacy`.

use super::Match;
use crate::syntax::{is_key, is_name};
use std::{error, fmt};

/// A selector that can't be parsed: what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSelector {
    selector: String,
    problem: String,
}

impl fmt::Display for InvalidSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a selector of labels: {}", self.selector, self.problem)
    }
}

impl error::Error for InvalidSelector {}

/// Parses a selector: conditions with commas between them, all of which must hold.
///
/// | Condition | The label |
/// |---|---|
/// | `app=web`, `app==web` | is there with this value |
/// | `app!=web` | has another value, or isn't there |
/// | `app in (web, api)` | has one of these values |
/// | `app notin (web, api)` | has none of these values, or isn't there |
/// | `app` | is there |
/// | `!app` | isn't there |
///
/// # Errors
/// The text isn't such a selector.
///
/// ```
/// use korf_core::filter::{Match, selector};
///
/// let labels = selector("app=web,!legacy")?;
/// assert_eq!(labels[0].0, "app");
/// assert!(matches!(labels[1], (ref key, Match::Absent) if key == "legacy"));
/// assert!(selector("app=web,").is_err());
/// # Ok::<(), korf_core::filter::InvalidSelector>(())
/// ```
pub fn selector(text: &str) -> Result<Vec<(String, Match)>, InvalidSelector> {
    let mut parser = Parser { rest: text };
    let parsed = parser.conditions();
    parsed.map_err(|problem| InvalidSelector { selector: text.to_owned(), problem })
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn conditions(&mut self) -> Result<Vec<(String, Match)>, String> {
        let mut conditions = Vec::new();
        loop {
            conditions.push(self.condition()?);
            match self.next() {
                None => return Ok(conditions),
                Some(',') => self.skip(1),
                Some(_) => return Err(format!("expected a comma before `{}`", self.rest)),
            }
        }
    }

    fn condition(&mut self) -> Result<(String, Match), String> {
        if self.next() == Some('!') {
            self.skip(1);
            return Ok((self.key()?, Match::Absent));
        }
        let key = self.key()?;
        let wanted = match self.next() {
            None | Some(',') => Match::Present,
            _ if self.takes("==") || self.takes("=") => Match::Is(self.value()?.into()),
            _ if self.takes("!=") => Match::NoneOf(vec![self.value()?.into()]),
            _ => match self.word() {
                "in" => Match::OneOf(self.values()?),
                "notin" => Match::NoneOf(self.values()?),
                other => {
                    return Err(format!(
                        "expected `=`, `!=`, `in` or `notin` after `{key}`, found `{other}`"
                    ));
                }
            },
        };
        Ok((key, wanted))
    }

    fn key(&mut self) -> Result<String, String> {
        match self.word() {
            "" => Err("a key is missing".to_owned()),
            key if is_key(key) => Ok(key.to_owned()),
            other => Err(format!("`{other}` can't be the key of a label")),
        }
    }

    fn value(&mut self) -> Result<&'a str, String> {
        match self.word() {
            value if value.is_empty() || is_name(value) => Ok(value),
            other => Err(format!("`{other}` can't be the value of a label")),
        }
    }

    fn values(&mut self) -> Result<Vec<serde_json::Value>, String> {
        if !self.takes("(") {
            return Err("the values of `in` and `notin` stand in parentheses".to_owned());
        }
        let mut values = Vec::new();
        loop {
            values.push(self.value()?.into());
            if self.takes(")") {
                return Ok(values);
            }
            if !self.takes(",") {
                return Err("a closing parenthesis is missing".to_owned());
            }
        }
    }

    /// The next character that isn't white space.
    fn next(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    /// Skips this text if it comes next.
    fn takes(&mut self, text: &str) -> bool {
        self.next();
        let comes = self.rest.starts_with(text);
        if comes {
            self.skip(text.len());
        }
        comes
    }

    /// The text up to the next sign or white space; it may be empty.
    fn word(&mut self) -> &'a str {
        self.next();
        let is_end = |c: char| c.is_whitespace() || matches!(c, ',' | '=' | '!' | '(' | ')');
        let (word, rest) = self.rest.split_at(self.rest.find(is_end).unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let conditions = selector(text).unwrap_or_else(|error| panic!("{error}"));
        let conditions = conditions.iter().map(|(key, wanted)| format!("{key}: {wanted:?}"));
        conditions.collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn a_selector_is_what_kubectl_takes() {
        for (text, expected) in [
            ("app=web", "app: \"web\""),
            ("app == web", "app: \"web\""),
            ("app=", "app: \"\""),
            ("app!=web", "app: none of [\"web\"]"),
            ("app", "app: present"),
            ("!app", "app: absent"),
            ("! app", "app: absent"),
            ("app in (web,api)", "app: one of [\"web\",\"api\"]"),
            ("app in(web)", "app: one of [\"web\"]"),
            ("app notin (web, )", "app: none of [\"web\",\"\"]"),
            ("example.com/app=web.1_a-b", "example.com/app: \"web.1_a-b\""),
            (" app=web , tier,!legacy ", "app: \"web\"; tier: present; legacy: absent"),
            ("in", "in: present"),
            ("in in (in)", "in: one of [\"in\"]"),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_selector_is_rejected_with_the_reason() {
        for (text, problem) in [
            ("", "a key is missing"),
            ("app=web,", "a key is missing"),
            (",app", "a key is missing"),
            ("=web", "a key is missing"),
            ("!", "a key is missing"),
            ("app web", "expected `=`, `!=`, `in` or `notin` after `app`, found `web`"),
            ("app>5", "`app>5` can't be the key of a label"),
            ("app=web tier", "expected a comma before `tier`"),
            ("app in web", "the values of `in` and `notin` stand in parentheses"),
            ("app in (web", "a closing parenthesis is missing"),
            ("app=ä", "`ä` can't be the value of a label"),
            ("a/b/c", "`a/b/c` can't be the key of a label"),
        ] {
            let error = selector(text).unwrap_err();
            assert_eq!(error.to_string(), format!("`{text}` is not a selector of labels: {problem}"));
        }
    }

    #[test]
    fn labels_that_are_not_there_are_neither_of_the_values() {
        let (one, none) = (&selector("app in (a)").unwrap()[0].1, &selector("app!=a").unwrap()[0].1);
        for (value, of_one, of_none) in
            [("a".into(), true, false), ("b".into(), false, true), (serde_json::Value::Null, false, true)]
        {
            assert_eq!((one.holds(&value), none.holds(&value)), (of_one, of_none), "{value}");
        }
    }
}
