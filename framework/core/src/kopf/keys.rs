//! Annotation names, as Kopf forms them (`StorageKeyFormingConvention` in `kopf/_cogs/configs/conventions.py`).

use crate::{body::Body, syntax::NAME_LIMIT as LIMIT};
use base64::{
    Engine,
    alphabet::Alphabet,
    engine::{GeneralPurpose, general_purpose::NO_PAD},
};
use blake2::{Blake2b, Digest, digest::consts::U4};

/// Marks the names on ReplicaSets of Deployments. Deployments copy their annotations to their ReplicaSets
/// (`deployment_util.go`, `SetNewReplicaSetAnnotations` in Kubernetes), which therefore have names of their own; none for
/// other objects.
pub(crate) fn marked(name: &str, body: &Body) -> Option<String> {
    let object = body.value();
    let owners = object["metadata"]["ownerReferences"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_owned = owners.iter().any(|owner| owner["kind"] == "Deployment");
    (is_owned && object["kind"] == *"ReplicaSet").then(|| format!("{name}-ofDRS"))
}

/// Replaces the characters that handler ids have and annotations can't.
pub(crate) fn spelling(id: &str) -> String {
    id.replace('/', ".").replace(['<', '>'], "_")
}

/// Kopf's form "v2": cut where the name itself is too long, with a digest of the name as it was.
pub(crate) fn new_form(name: &str) -> String {
    let suffix = if name.chars().count() > LIMIT { digest(name) } else { String::new() };
    cut(&spelling(name), LIMIT.cast_signed(), &suffix)
}

/// Kopf's form "v1": cut where prefix and name together are too long, with a digest of the spelling.
pub(crate) fn old_form(prefix: &str, name: &str) -> String {
    let name = spelling(name);
    let limit = LIMIT.cast_signed() - prefix.len().cast_signed() - 1;
    let suffix = if name.chars().count().cast_signed() > limit { digest(&name) } else { String::new() };
    cut(&name, limit, &suffix)
}

/// Cuts a text as Python does (`text[:end]`, where a negative end counts from the text's end), so that the limit
/// includes the suffix.
pub(crate) fn cut(text: &str, limit: isize, suffix: &str) -> String {
    let (length, end) = (text.chars().count(), limit - suffix.len().cast_signed());
    let end = if end < 0 { length.saturating_sub(end.unsigned_abs()) } else { end.unsigned_abs() };
    text.chars().take(end).chain(suffix.chars()).collect()
}

/// A dash and about six letters.
pub(crate) fn digest(name: &str) -> String {
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
