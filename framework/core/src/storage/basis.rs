//! The basis as it is written down: an essence, and a mark of the diff-base beside which it was written.
//!
//! Kopf doesn't know the basis. Where it ends what korf has begun, it writes another diff-base and leaves the basis, which
//! then belongs to nothing any more: its mark tells.

use super::Kept;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use blake2::{Blake2b, Digest, digest::consts::U8};
use serde_json::json;

const BESIDE: &str = "beside";
const ESSENCE: &str = "essence";

/// A basis that was found on an object.
#[derive(Debug, PartialEq)]
pub(super) struct Basis {
    /// The [`mark`] of the diff-base that was there when it was written.
    pub beside: String,
    pub essence: Kept,
}

impl Basis {
    /// What was written down; none for null, which is the same as absent.
    pub fn decode(text: &str) -> Result<Option<Self>, String> {
        let mut basis = super::decode(text)?;
        if basis.is_null() {
            return Ok(None);
        }
        let beside = basis[BESIDE].as_str().ok_or("it names no diff-base")?.to_owned();
        let essence = Kept::parse(basis[ESSENCE].take())?.ok_or("it has no essence")?;
        Ok(Some(Self { beside, essence }))
    }
}

/// The JSON of a basis; `essence` is JSON, too.
pub(super) fn encode(beside: &str, essence: &str) -> String {
    format!(r#"{{"{BESIDE}":{},"{ESSENCE}":{essence}}}"#, json!(beside))
}

/// What tells one diff-base from another: a digest of its text.
pub(super) fn mark(diff_base: Option<&str>) -> String {
    diff_base.map_or_else(String::new, |text| STANDARD_NO_PAD.encode(Blake2b::<U8>::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_basis_is_said_to_be_none() {
        let cases = [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("{}", "it names no diff-base"),
            (r#"["beside"]"#, "it names no diff-base"),
            (r#"{"beside":""}"#, "it has no essence"),
            (r#"{"beside":"","essence":1}"#, "it isn't a mapping"),
        ];
        for (text, reason) in cases {
            assert_eq!(Basis::decode(text), Err(reason.to_owned()), "{text}");
        }
        assert_eq!(Basis::decode("null"), Ok(None));
    }

    #[test]
    fn what_is_written_is_read() {
        let (beside, essence) = (mark(Some("{}\n")), json!({"spec": {"x": 1}}));
        let basis = Basis::decode(&encode(&beside, &essence.to_string()));
        assert_eq!(basis, Ok(Some(Basis { beside, essence: Kept::Whole(essence) })));
    }

    #[test]
    fn another_text_is_another_mark_and_none_is_one_too() {
        let marks = [mark(None), mark(Some("")), mark(Some("{}")), mark(Some("{}\n"))];
        assert!(marks.iter().enumerate().all(|(at, mark)| !marks[..at].contains(mark)), "{marks:?}");
    }
}
