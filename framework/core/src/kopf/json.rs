//! JSON as Python writes it.

/// The same JSON with everything but printable ASCII escaped, as `json.dumps` does it.
pub(crate) fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(c, ' '..='~') {
            text.push(c);
        } else {
            // Only within strings: JSON's own signs are ASCII.
            text.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    text
}
