//! Lists, in pages.

use super::{answer::Refusal, path::Place, selection::Selection, store::Store};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::{collections::BTreeMap, ops::Bound};

/// What the `continue` of a page means: the next one is of the same version, behind this key.
struct Mark {
    revision: u64,
    after: String,
}

impl Mark {
    fn read(text: &str) -> Result<Self, Refusal> {
        let wrong = || Refusal::bad_request("invalid continue token: continue key is not valid");
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
        let mark: Value = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
        let (revision, after) = (mark["rv"].as_u64(), mark["after"].as_str());
        Ok(Self { revision: revision.ok_or_else(wrong)?, after: after.ok_or_else(wrong)?.to_owned() })
    }

    fn write(&self) -> String {
        let mark = json!({"v": "korf", "rv": self.revision, "after": self.after});
        BASE64_URL_SAFE_NO_PAD.encode(mark.to_string())
    }
}

impl Store {
    /// One page of a list; all of it where no limit was asked for.
    pub(super) fn list(&self, place: &Place, asked: &BTreeMap<String, String>) -> Result<Value, Refusal> {
        let served = self.served(&place.family)?;
        let parameter = |name: &str| asked.get(name).map(String::as_str).filter(|text| !text.is_empty());
        let mark = parameter("continue").map(Mark::read).transpose()?;
        let revision = mark.as_ref().map_or(self.revision(), |mark| mark.revision);
        let mut objects = self.objects_at(place, revision)?;
        let selection = Selection::of(parameter("labelSelector"));
        objects.retain(|_, object| selection.admits(object));
        let begin = mark.map_or(Bound::Unbounded, |mark| Bound::Excluded(mark.after));
        let rest: Vec<_> = objects.range((begin, Bound::Unbounded)).collect();
        let limit = parameter("limit").and_then(|limit| limit.parse().ok()).filter(|limit| *limit > 0);
        let (page, left) = rest.split_at(limit.unwrap_or(rest.len()).min(rest.len()));
        let mut metadata = json!({"resourceVersion": revision.to_string(), "continue": ""});
        if let (Some((key, _)), false) = (page.last(), left.is_empty()) {
            metadata["continue"] = Mark { revision, after: (*key).clone() }.write().into();
            // What it can't know of selected objects, the real one doesn't say either.
            if parameter("labelSelector").is_none() {
                metadata["remainingItemCount"] = left.len().into();
            }
        }
        Ok(json!({
            "apiVersion": served.resource.api_version,
            "kind": format!("{}List", served.resource.kind),
            "metadata": metadata,
            "items": page.iter().map(|(_, object)| (***object).clone()).collect::<Vec<_>>(),
        }))
    }
}
