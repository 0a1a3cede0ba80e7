//! JSON made of a fuzzer's bytes, for all fuzz targets.

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use serde_json::{Map, Value};

/// Few, so that two values have some in common, and those that mean something on an object.
const KEYS: [&str; 8] = ["a", "b", "metadata", "annotations", "finalizers", "spec", "status", "kind"];
const DEPTH: usize = 5;

/// The values that the bytes stand for: those of a JSON list, as the seeds are, or else what can be made of them.
pub fn values<const N: usize>(bytes: &[u8]) -> [Value; N] {
    let mut listed = serde_json::from_slice(bytes).unwrap_or_else(|_| made(bytes, N)).into_iter();
    std::array::from_fn(|_| listed.next().unwrap_or_default())
}

fn made(bytes: &[u8], count: usize) -> Vec<Value> {
    let mut bytes = Unstructured::new(bytes);
    (0..count).map_while(|_| value(&mut bytes, DEPTH).ok()).collect()
}

/// Any value. Numbers are mostly small, so that some are equal and written differently.
fn value(bytes: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    let kinds = if depth == 0 { 7 } else { 9 };
    Ok(match bytes.choose_index(kinds)? {
        0 => Value::Null,
        1 => bytes.arbitrary::<bool>()?.into(),
        2 => bytes.arbitrary::<i8>()?.into(),
        3 => (f64::from(bytes.arbitrary::<i8>()?) / 2.0).into(),
        4 => bytes.arbitrary::<i64>()?.into(),
        5 => bytes.arbitrary::<f64>()?.into(),
        6 => bytes.arbitrary::<&str>()?.into(),
        7 => list(bytes, depth - 1)?.into(),
        _ => object(bytes, depth - 1)?.into(),
    })
}

fn list(bytes: &mut Unstructured<'_>, depth: usize) -> Result<Vec<Value>> {
    let mut items = Vec::new();
    while bytes.arbitrary()? {
        items.push(value(bytes, depth)?);
    }
    Ok(items)
}

fn object(bytes: &mut Unstructured<'_>, depth: usize) -> Result<Map<String, Value>> {
    let mut fields = Map::new();
    while bytes.arbitrary()? {
        fields.insert((*bytes.choose(&KEYS)?).to_owned(), value(bytes, depth)?);
    }
    Ok(fields)
}
