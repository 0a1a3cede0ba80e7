//! Law of diffs: the old value with the diff applied is the new one.
#![no_main]

use korf_core::diff::{Diff, diff, equal, resolve};
use korf_fuzz::values;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

fuzz_target!(|bytes: &[u8]| {
    let [old, new] = values(bytes);
    let there = diff(&old, &new);
    assert!(equal(&without_nulls(&applied(&there, &old)), &without_nulls(&new)), "{there}");
    assert!(diff(&new, &new).is_empty());
    reversed(&there, &diff(&new, &old));
    reduced(&there, &old, &new);
});

fn applied(changes: &Diff, value: &Value) -> Value {
    changes.iter().fold(value.clone(), |mut value, item| {
        let mut place = &mut value;
        for key in item.field.keys() {
            place = &mut place[key];
        }
        *place = item.new.clone();
        value
    })
}

/// Without nulls in mappings, where they are as good as nothing; those in lists count.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let there = fields.iter().filter(|(_, value)| !value.is_null());
            there.map(|(key, value)| (key.clone(), without_nulls(value))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

fn reversed(there: &Diff, back: &Diff) {
    assert_eq!(there.len(), back.len());
    for (there, back) in there.iter().zip(back) {
        assert_eq!((&there.field, &there.old, &there.new), (&back.field, &back.new, &back.old));
    }
}

/// To each field that differs, to what it is in, and to something in it.
fn reduced(changes: &Diff, old: &Value, new: &Value) {
    for item in changes {
        let keys = [item.field.keys(), &["a".to_owned()]].concat();
        for path in (0..=keys.len()).map(|end| &keys[..end]) {
            let direct = diff(resolve(old, path), resolve(new, path));
            assert_eq!(changes.reduce(path), direct, "{path:?}");
        }
    }
}
