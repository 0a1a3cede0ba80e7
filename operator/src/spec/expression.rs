//! Expression of a generated column.
//!
//! It can't be a literal of a short list, so its text is cut into tokens, and the tokens are printed again: names in
//! quotes, strings as literals, one space in between. What is let through is one expression inside parentheses: brackets
//! close what they open, and nothing is there that ends a statement or begins a comment. What it may do is the server's rule for
//! generated columns: only immutable functions, no queries, no other rows
//! (docs/decisions/0084-an-expression-is-cut-into-tokens.md).

use crate::identifier::{literal, quote};
use std::{fmt, iter::Peekable, str::Chars};

/// An expression, as it is in a statement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Expression(String);

/// The characters of which operators are made.
/// <https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-OPERATORS>; and `:`, of which casts are.
const OPERATORS: &str = "+-*/<>=~!@#%^&|`?:";

/// A text that can't be the expression of a column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpressionError {
    /// There is nothing in it.
    #[error("the expression is empty: write one of other columns, such as \"first || ' ' || last\"")]
    Empty,
    /// A character that expressions don't need.
    #[error(
        "the expression contains {0:?}, which isn't allowed: write one expression of columns, strings, numbers, operators and functions"
    )]
    Character(char),
    /// The beginning of a comment.
    #[error("the expression contains a comment (-- or /*), which isn't allowed: remove it")]
    Comment,
    /// A bracket or a quote that isn't closed, or closes nothing.
    #[error("the expression has a bracket or a quote without its other half: close it, or remove it")]
    Unbalanced,
    /// A comma outside of brackets.
    #[error("the expression has a comma outside of brackets: write one expression")]
    Several,
}

impl Expression {
    /// Reads the text of an expression.
    ///
    /// # Errors
    ///
    /// [`ExpressionError`] for what isn't one expression. Whether it is a valid one, the server says.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let mut chars = text.chars().peekable();
        let (mut tokens, mut open) = (Vec::new(), Vec::new());
        while let Some(token) = token(&mut chars)? {
            match token.as_str() {
                "(" => open.push(")"),
                "[" => open.push("]"),
                ")" | "]" if open.pop() != Some(&token) => return Err(ExpressionError::Unbalanced),
                "," if open.is_empty() => return Err(ExpressionError::Several),
                _ => {}
            }
            tokens.push(token);
        }
        match (tokens.is_empty(), open.is_empty()) {
            (true, _) => Err(ExpressionError::Empty),
            (_, false) => Err(ExpressionError::Unbalanced),
            (false, true) => Ok(Self(tokens.join(" "))),
        }
    }
}

/// The next token, as it is printed.
fn token(chars: &mut Peekable<Chars<'_>>) -> Result<Option<String>, ExpressionError> {
    while chars.next_if(|c| c.is_ascii_whitespace()).is_some() {}
    let Some(first) = chars.next() else { return Ok(None) };
    let token = match first {
        '\'' => literal(&quoted(chars, '\'')?),
        '"' => quote(&quoted(chars, '"')?),
        '0'..='9' => number(first, chars),
        '(' | ')' | '[' | ']' | ',' | '.' => first.to_string(),
        c if c == '_' || c.is_alphabetic() => run(first, chars, |c| c == '_' || c.is_alphanumeric()),
        c if OPERATORS.contains(c) => run(first, chars, |c| OPERATORS.contains(c)),
        other => return Err(ExpressionError::Character(other)),
    };
    if first != '\'' && first != '"' && (token.contains("--") || token.contains("/*")) {
        return Err(ExpressionError::Comment);
    }
    Ok(Some(token))
}

/// What is between quotes, of which the opening one is gone.
fn quoted(chars: &mut Peekable<Chars<'_>>, quote: char) -> Result<String, ExpressionError> {
    let mut inner = String::new();
    while let Some(c) = chars.next() {
        if c == '\0' {
            return Err(ExpressionError::Character(c));
        }
        if c == quote && chars.next_if_eq(&quote).is_none() {
            return Ok(inner);
        }
        inner.push(c);
    }
    Err(ExpressionError::Unbalanced)
}

fn number(first: char, chars: &mut Peekable<Chars<'_>>) -> String {
    let mut number = run(first, chars, |c| c == '.' || c.is_ascii_alphanumeric());
    if number.ends_with(['e', 'E'])
        && let Some(sign) = chars.next_if(|c| ['+', '-'].contains(c))
    {
        number.push_str(&run(sign, chars, |c| c.is_ascii_digit()));
    }
    number
}

fn run(first: char, chars: &mut Peekable<Chars<'_>>, belongs: impl Fn(char) -> bool) -> String {
    let mut run = String::from(first);
    while let Some(c) = chars.next_if(|c| belongs(*c)) {
        run.push(c);
    }
    run
}

/// Without the parentheses around it.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_expression_is_printed_again_token_by_token() {
        for (text, printed) in [
            ("first || ' ' || last", "first || ' ' || last"),
            ("price*1.5e-3", "price * 1.5e-3"),
            ("(a+b)::numeric(10,2)", "( a + b ) :: numeric ( 10 , 2 )"),
            ("\"Two \"\"Words\"->>'it''s'", "\"Two \"\"Words\" ->> 'it''s'"),
            ("coalesce(a,\n\tb)", "coalesce ( a , b )"),
            ("a[1]", "a [ 1 ]"),
            ("E'\\'' || x", "E E'\\\\' || x"),
            ("'; DROP TABLE x; --'", "'; DROP TABLE x; --'"),
            ("straße", "straße"),
            ("CASE WHEN a > 0 THEN 1 ELSE -1 END", "CASE WHEN a > 0 THEN 1 ELSE - 1 END"),
        ] {
            let read = Expression::parse(text).map(|read| read.to_string());
            // A prefix of a string is a word of its own here, and the quote behind the backslash ends the string.
            let expected = if text.starts_with("E'") {
                Err(ExpressionError::Unbalanced)
            } else {
                Ok(printed.to_owned())
            };
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn what_is_more_than_one_expression_is_rejected() {
        for (text, error) in [
            ("", ExpressionError::Empty),
            (" \n", ExpressionError::Empty),
            ("a; b", ExpressionError::Character(';')),
            ("$1", ExpressionError::Character('$')),
            ("$$a$$", ExpressionError::Character('$')),
            ("a\\b", ExpressionError::Character('\\')),
            ("a\0", ExpressionError::Character('\0')),
            ("'\0'", ExpressionError::Character('\0')),
            ("{a}", ExpressionError::Character('{')),
            ("a -- b", ExpressionError::Comment),
            ("a /* b */", ExpressionError::Comment),
            ("a +--b", ExpressionError::Comment),
            ("a) STORED, b integer DEFAULT (1", ExpressionError::Unbalanced),
            ("(a]", ExpressionError::Unbalanced),
            ("(a", ExpressionError::Unbalanced),
            ("'a", ExpressionError::Unbalanced),
            ("\"a", ExpressionError::Unbalanced),
            ("a, b", ExpressionError::Several),
        ] {
            assert_eq!(Expression::parse(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_gets_out_of_its_parentheses(text in "['\"a-c0-9(),;:/*$\\[\\]\\\\ .+-]{0,24}") {
            let Ok(read) = Expression::parse(&text) else { return Ok(()) };
            let mut depth = 0;
            let mut outside = String::new();
            let mut quote = None;
            for c in read.to_string().chars() {
                match (quote, c) {
                    (None, '\'' | '"') => quote = Some(c),
                    (Some(open), c) if c == open => quote = None,
                    (Some(_), _) => {}
                    (None, c) => {
                        depth += i32::from(c == '(' || c == '[') - i32::from(c == ')' || c == ']');
                        prop_assert!(depth >= 0);
                        prop_assert!(c != ',' || depth > 0);
                        outside.push(c);
                    }
                }
            }
            prop_assert_eq!((depth, quote), (0, None));
            prop_assert!(!outside.contains("--") && !outside.contains("/*") && !outside.contains([';', '$']));
        }

        #[test]
        fn a_printed_expression_reads_as_itself(text in ".{0,40}") {
            if let Ok(read) = Expression::parse(&text)
                // A backslash makes a literal of the E form, which a spec can't have.
                && !read.to_string().contains('\\')
            {
                prop_assert_eq!(Expression::parse(&read.to_string()), Ok(read));
            }
        }
    }
}
