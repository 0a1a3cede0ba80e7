//! The names of annotations, as Kopf forms them (`StorageKeyFormingConvention` in
//! `kopf/_cogs/configs/conventions.py`).

use crate::{
    body::Body,
    syntax::{NAME_LIMIT as LIMIT, is_name, is_of_a_name},
};
use base64::{
    Engine,
    alphabet::Alphabet,
    engine::{GeneralPurpose, general_purpose::NO_PAD},
};
use blake2::{Blake2b, Digest, digest::consts::U4};

/// The annotations of one name, in the order in which they are read.
pub(super) fn keys(prefix: &str, name: &str, body: &Body, old_form: bool) -> Vec<String> {
    let name = &marked(name, body);
    let mut keys = vec![format!("{prefix}/{}", new_name(name))];
    if old_form {
        keys.push(format!("{prefix}/{}", old_name(prefix, name)));
    }
    keys.dedup();
    keys.retain(|key| key.split_once('/').is_some_and(|(_, name)| is_name(name)));
    if keys.is_empty() {
        keys.push(format!("{prefix}/{}", own_name(name)));
    }
    keys
}

/// Deployments hand their annotations down to their ReplicaSets, which therefore have names of their own:
/// `deployment_util.go`, `SetNewReplicaSetAnnotations` in Kubernetes.
fn marked(name: &str, body: &Body) -> String {
    let object = body.value();
    let owners = object["metadata"]["ownerReferences"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_owned = owners.iter().any(|owner| owner["kind"] == "Deployment");
    let mark = if is_owned && object["kind"] == *"ReplicaSet" { "-ofDRS" } else { "" };
    format!("{name}{mark}")
}

/// With the signs that handler ids have and annotations can't.
pub(super) fn safe(name: &str) -> String {
    name.replace('/', ".").replace(['<', '>'], "_")
}

/// Kopf's form "v2": cut where the name itself is too long; the digest is of the name as it was.
fn new_name(name: &str) -> String {
    let suffix = if name.chars().count() > LIMIT { digest(name) } else { String::new() };
    format!("{}{suffix}", cut(&safe(name), LIMIT.cast_signed() - suffix.len().cast_signed()))
}

/// Kopf's form "v1": cut where the whole is too long; the digest is of the replaced name.
fn old_name(prefix: &str, name: &str) -> String {
    let name = safe(name);
    let room = LIMIT.cast_signed() - prefix.len().cast_signed() - 1;
    let suffix = if name.chars().count().cast_signed() > room { digest(&name) } else { String::new() };
    format!("{}{suffix}", cut(&name, room - suffix.len().cast_signed()))
}

/// As Python slices `text[:end]`: a negative end counts from the text's end.
fn cut(text: &str, end: isize) -> String {
    let length = text.chars().count();
    let end = if end < 0 { length.saturating_sub(end.unsigned_abs()) } else { end.unsigned_abs() };
    text.chars().take(end).collect()
}

/// For names that Kopf's forms don't make valid: what is allowed of it, and a digest to tell it apart.
fn own_name(name: &str) -> String {
    let suffix = digest(name);
    let start: String = safe(name).chars().filter(|&c| is_of_a_name(c)).collect();
    let start = start.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let start = if start.is_empty() { "handler" } else { start };
    format!("{}{suffix}", cut(start, LIMIT.cast_signed() - suffix.len().cast_signed()))
}

/// A dash and six letters or so.
fn digest(name: &str) -> String {
    let digest = Blake2b::<U4>::digest(name);
    format!("-{}", ENGINE.encode(digest)).trim_end_matches(['=', '-', '.']).to_owned()
}

/// Base64 with the two signs that annotations can have.
const ENGINE: GeneralPurpose = GeneralPurpose::new(&ALPHABET, NO_PAD);
const ALPHABET: Alphabet =
    match Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.") {
        Ok(alphabet) => alphabet,
        Err(_) => panic!("64 different signs"),
    };
