//! Uid of an object, kept small: an operator holds one for each object that it knows.

use std::{fmt, sync::Arc};
use uuid::Uuid;

/// An object's `metadata.uid`: unique to the object, other than its name.
///
/// The API server makes UUIDs, of which 16 bytes are kept. Any other text is one too, and is kept as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(Form);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Form {
    Uuid(Uuid),
    Text(Arc<str>),
}

impl From<&str> for Uid {
    fn from(text: &str) -> Self {
        // A UUID may be written in several ways. Only one of them comes out again.
        let uuid =
            Uuid::try_parse(text).ok().filter(|uuid| uuid.hyphenated().encode_lower(&mut [0; 36]) == text);
        Self(uuid.map_or_else(|| Form::Text(text.into()), Form::Uuid))
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Uuid(uuid) => uuid.hyphenated().fmt(f),
            Form::Text(text) => text.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_uuid_takes_no_more_than_its_sixteen_bytes_and_a_word() {
        assert_eq!(size_of::<Uid>(), 24);
        assert!(matches!(Uid::from("31001ae4-98f7-4031-bccd-110dab61f069").0, Form::Uuid(_)));
    }

    #[test]
    fn texts_that_name_one_uuid_are_different_uids() {
        let texts = [
            "31001ae4-98f7-4031-bccd-110dab61f069",
            "31001AE4-98f7-4031-bccd-110dab61f069",
            "31001ae498f74031bccd110dab61f069",
        ];
        let uids = texts.map(Uid::from);
        assert!(uids[0] != uids[1] && uids[1] != uids[2] && uids[0] != uids[2]);
    }

    proptest! {
        #[test]
        fn a_uid_is_the_text_that_it_was_made_of(text in prop_oneof![
            ".*", "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[0-9a-fA-F]{32}", "\\{?[0-9a-fA-F-]{32,38}\\}?",
        ]) {
            prop_assert_eq!(Uid::from(&*text).to_string(), text);
        }
    }
}
