//! Excerpt: what differs between two values, where they are too long to be shown.

use super::words::{VALUE_LIMIT, cut};
use serde_json::Value;
use std::collections::HashMap;

/// The most characters that are shown before what differs, and after it.
const CONTEXT: usize = 20;

/// The most items of a list that are shown as removed, and as added.
const ITEM_LIMIT: usize = 3;

/// `old → new`, or the part of them that differs.
pub(super) fn change(old: &Value, new: &Value) -> String {
    let texts = [old.to_string(), new.to_string()];
    let is_short = texts.iter().all(|text| text.chars().count() <= VALUE_LIMIT);
    if let (Value::Array(old), Value::Array(new), false) = (old, new, is_short)
        && let Some(text) = items(old, new)
    {
        return text;
    }
    parts(&texts[0], &texts[1]).join(" → ")
}

/// `… - 1 + 2 (50 → 50 items)`; none where only the order differs.
fn items(old: &[Value], new: &[Value]) -> Option<String> {
    let [mut removed, mut added] = [missing(old, new), missing(new, old)];
    if removed.is_empty() && added.is_empty() {
        return None;
    }
    let more = if removed.len().max(added.len()) > ITEM_LIMIT { " …" } else { "" };
    removed.truncate(ITEM_LIMIT);
    added.truncate(ITEM_LIMIT);
    // An item that was changed is removed and added: of both, the part that differs is shown.
    let paired = removed.len().min(added.len());
    for (removed, added) in removed.iter_mut().zip(&mut added) {
        [*removed, *added] = parts(removed, added);
    }
    for item in removed.iter_mut().skip(paired).chain(added.iter_mut().skip(paired)) {
        *item = cut(item, VALUE_LIMIT);
    }
    let removed = removed.iter().map(|item| format!(" - {item}"));
    let added = added.iter().map(|item| format!(" + {item}"));
    let shown: String = removed.chain(added).collect();
    Some(format!("…{shown}{more} ({} → {} items)", old.len(), new.len()))
}

/// The items that a list has, and another one hasn't.
fn missing(of: &[Value], in_other: &[Value]) -> Vec<String> {
    let mut there: HashMap<String, usize> = HashMap::new();
    for item in in_other {
        *there.entry(item.to_string()).or_default() += 1;
    }
    let is_missing = |item: &String| match there.get_mut(item) {
        Some(left) if *left > 0 => {
            *left -= 1;
            false
        }
        _ => true,
    };
    of.iter().map(Value::to_string).filter(is_missing).collect()
}

/// Two texts, each cut to the part around the first difference where it is long.
fn parts(old: &str, new: &str) -> [String; 2] {
    let before = old.chars().zip(new.chars()).take_while(|(old, new)| old == new).count();
    let lengths = [old, new].map(|text| text.chars().count());
    let left = lengths[0].min(lengths[1]) - before;
    let ends = old.chars().rev().zip(new.chars().rev()).take(left);
    let after = ends.take_while(|(old, new)| old == new).count();
    [(old, lengths[0]), (new, lengths[1])].map(|(text, length)| part(text, length, before, length - after))
}

/// A text of so many characters, of which those from `from` to `to` matter.
fn part(text: &str, length: usize, from: usize, to: usize) -> String {
    if length <= VALUE_LIMIT {
        return text.to_owned();
    }
    let start = from.saturating_sub(CONTEXT);
    let end = (to + CONTEXT).min(start + VALUE_LIMIT).min(length);
    let shown: String = text.chars().skip(start).take(end - start).collect();
    let [open, close] = [start > 0, end < length].map(|is_cut| if is_cut { "…" } else { "" });
    format!("{open}{shown}{close} ({} bytes)", text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::ops::Range;

    fn columns(names: &[&str]) -> Value {
        names.iter().map(|name| json!({*name: "character varying(100)"})).collect()
    }

    #[test]
    fn of_long_lists_the_items_that_were_removed_and_added_are_shown() {
        let base = ["id", "name", "email", "signup"];
        let container =
            |image: &str| json!([{"before": "a".repeat(120), "image": image, "zone": "z".repeat(120)}]);
        let numbers = |range: Range<u32>| range.collect::<Value>();
        for (old, new, expected) in [
            (json!([1, 2]), json!([1, 3]), "[1,2] → [1,3]"),
            (
                columns(&base),
                columns(&["id", "name", "email", "signup", "country"]),
                r#"… + {"country":"character varying(100)"} (4 → 5 items)"#,
            ),
            (
                columns(&base),
                columns(&["id", "name", "signup"]),
                r#"… - {"email":"character varying(100)"} (4 → 3 items)"#,
            ),
            (
                columns(&base),
                columns(&["id", "name", "mail", "signup"]),
                r#"… - {"email":"character varying(100)"} + {"mail":"character varying(100)"} (4 → 4 items)"#,
            ),
            (numbers(0..50), numbers(1..60), "… - 0 + 50 + 51 + 52 … (50 → 59 items)"),
            (Value::from(vec!["x"; 40]), Value::from(vec!["x"; 39]), r#"… - "x" (40 → 39 items)"#),
            (
                json!([]),
                json!(["a".repeat(500)]),
                &format!("… + \"{}… (502 bytes) (0 → 1 items)", "a".repeat(99)),
            ),
            (
                container("v1"),
                container("v2"),
                r#"… - …aaaaaaaa","image":"v1","zone":"zzzzzzzzzz… (276 bytes) + …aaaaaaaa","image":"v2","zone":"zzzzzzzzzz… (276 bytes) (1 → 1 items)"#,
            ),
            (
                [1, 0].into_iter().chain(2..50).collect(),
                numbers(0..50),
                "[1,0,2,3,4,5,6,7,8,9,10,… (141 bytes) → [0,1,2,3,4,5,6,7,8,9,10,… (141 bytes)",
            ),
        ] {
            assert_eq!(change(&old, &new), expected);
        }
    }

    #[test]
    fn of_long_texts_the_part_around_the_first_difference_is_shown() {
        let around = |word: &str| json!(format!("{} {word} {}", "ä".repeat(500), "z".repeat(500)));
        let (a, b, z) = ("a".repeat(20), "ä".repeat(19), "z".repeat(19));
        for (old, new, expected) in [
            (json!(1), json!([2]), "1 → [2]".to_owned()),
            (
                around("old"),
                around("new"),
                format!("…{b} old {z}… (1507 bytes) → …{b} new {z}… (1507 bytes)"),
            ),
            (json!("a".repeat(500)), json!("b"), format!("\"{}… (502 bytes) → \"b\"", "a".repeat(99))),
            (
                json!("a".repeat(500)),
                json!("a".repeat(600)),
                format!("…{a}\" (502 bytes) → …{}… (602 bytes)", "a".repeat(100)),
            ),
        ] {
            assert_eq!(change(&old, &new), expected);
        }
    }
}
