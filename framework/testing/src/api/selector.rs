//! Selectors: conditions on labels, and on the fields that identify an object.

use super::answer::Rejection;
use serde_json::Value;
use std::collections::BTreeMap;

/// The conditions of a selector; all have to hold.
#[derive(Debug, Default)]
pub(super) struct Selector {
    labels: Vec<Condition>,
    fields: Vec<Condition>,
}

/// A condition on a label: it has one of these values, or none of them; without values: it exists, or doesn't.
#[derive(Debug, PartialEq, Eq)]
struct Condition {
    key: String,
    values: Option<Vec<String>>,
    wanted: bool,
}

impl Selector {
    /// The selector of a request: its `labelSelector` (`a=b,c!=d,e,!f,g in (h,i),j notin (k)`) and `fieldSelector`.
    pub fn of(query: &BTreeMap<String, String>) -> Result<Self, Rejection> {
        let conditions = |parameter: &str| -> Vec<Condition> {
            let text = query.get(parameter).map(String::as_str).unwrap_or_default();
            split(text).into_iter().filter(|text| !text.is_empty()).map(Condition::of).collect()
        };
        let (labels, fields) = (conditions("labelSelector"), conditions("fieldSelector"));
        let unknown =
            fields.iter().find(|one| !["metadata.name", "metadata.namespace"].contains(&one.key.as_str()));
        match unknown {
            Some(unknown) => Err(Rejection::not_done(&format!("field selectors for `{}`", unknown.key))),
            None => Ok(Self { labels, fields }),
        }
    }

    pub fn admits(&self, object: &Value) -> bool {
        let metadata = &object["metadata"];
        let field = |condition: &Condition| metadata[condition.key.trim_start_matches("metadata.")].as_str();
        self.labels.iter().all(|one| one.holds(metadata["labels"][&one.key].as_str()))
            && self.fields.iter().all(|one| one.holds(field(one)))
    }
}

/// Splits a selector at the commas outside of brackets.
fn split(selector: &str) -> Vec<&str> {
    let mut depth = 0;
    let between = move |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    };
    selector.split(between).map(str::trim).collect()
}

impl Condition {
    fn of(text: &str) -> Self {
        let list = |text: &str| {
            text.trim_matches(['(', ')']).split(',').map(|value| value.trim().to_owned()).collect()
        };
        let one = |value: &str| vec![value.trim().to_owned()];
        let condition = |key: &str, values: Option<Vec<String>>, wanted| Self {
            key: key.trim().to_owned(),
            values,
            wanted,
        };
        if let Some((key, values)) = text.split_once(" in ") {
            condition(key, Some(list(values.trim())), true)
        } else if let Some((key, values)) = text.split_once(" notin ") {
            condition(key, Some(list(values.trim())), false)
        } else if let Some((key, value)) = text.split_once("!=") {
            condition(key, Some(one(value)), false)
        } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
            condition(key, Some(one(value)), true)
        } else if let Some(key) = text.strip_prefix('!') {
            condition(key, None, false)
        } else {
            condition(text, None, true)
        }
    }

    fn holds(&self, label: Option<&str>) -> bool {
        let is = match &self.values {
            None => label.is_some(),
            Some(values) => label.is_some_and(|label| values.iter().any(|value| value == label)),
        };
        is == self.wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_selector_is_parsed_as_by_the_api_server() {
        let object = json!({"metadata": {"labels": {"app": "a", "tier": ""}}});
        let cases = [
            ("", true),
            ("app=a", true),
            ("app==a,tier=", true),
            ("app=b", false),
            ("app!=b,none!=b", true),
            ("app", true),
            ("!app", false),
            ("none", false),
            ("!none", true),
            ("app in (b, a),tier in (,x)", true),
            ("app in (b,c)", false),
            ("app notin (b,c),none notin (a)", true),
            ("app notin (a)", false),
        ];
        for (selector, expected) in cases {
            let asked = BTreeMap::from([("labelSelector".to_owned(), selector.to_owned())]);
            assert_eq!(Selector::of(&asked).unwrap().admits(&object), expected, "{selector}");
        }
    }

    #[test]
    fn objects_are_selected_by_name_and_namespace_and_by_no_other_field() {
        let object = json!({"metadata": {"name": "a", "namespace": "n"}, "spec": {"nodeName": "x"}});
        let cases = [
            ("metadata.name=a,metadata.namespace=n", Some(true)),
            ("metadata.name!=a", Some(false)),
            ("metadata.name=b", Some(false)),
            ("spec.nodeName=x", None),
        ];
        for (selector, expected) in cases {
            let asked = BTreeMap::from([("fieldSelector".to_owned(), selector.to_owned())]);
            let found = Selector::of(&asked).ok().map(|selector| selector.admits(&object));
            assert_eq!(found, expected, "{selector}");
        }
    }
}
