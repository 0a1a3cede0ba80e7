//! Paged lists.

use super::{answer::Rejection, selector::Selector, store::Store, target::Collection};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::{collections::BTreeMap, ops::Bound};

/// The content of a `continue` token: the next page has the same version, and starts after this key.
struct ContinueToken {
    revision: u64,
    after: String,
}

impl ContinueToken {
    fn read(text: &str) -> Result<Self, Rejection> {
        let wrong = || Rejection::bad_request("invalid continue token: continue key is not valid");
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
        let token: Value = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
        let (revision, after) = (token["rv"].as_u64(), token["after"].as_str());
        Ok(Self { revision: revision.ok_or_else(wrong)?, after: after.ok_or_else(wrong)?.to_owned() })
    }

    fn write(&self) -> String {
        let token = json!({"v": "korf", "rv": self.revision, "after": self.after});
        BASE64_URL_SAFE_NO_PAD.encode(token.to_string())
    }
}

impl Store {
    /// One page of a list, or all of it without a limit.
    pub(super) fn list(
        &self,
        collection: &Collection,
        asked: &BTreeMap<String, String>,
    ) -> Result<Value, Rejection> {
        let served = self.served(&collection.group_resource)?;
        let parameter = |name: &str| asked.get(name).map(String::as_str).filter(|text| !text.is_empty());
        let token = parameter("continue").map(ContinueToken::read).transpose()?;
        let revision = token.as_ref().map_or(self.revision(), |token| token.revision);
        let mut objects = self.objects_at(collection, revision)?;
        let selector = Selector::of(asked)?;
        objects.retain(|_, object| selector.admits(object));
        let begin = token.map_or(Bound::Unbounded, |token| Bound::Excluded(token.after));
        let rest: Vec<_> = objects.range((begin, Bound::Unbounded)).collect();
        let limit = parameter("limit").and_then(|limit| limit.parse().ok()).filter(|limit| *limit > 0);
        let (page, left) = rest.split_at(limit.unwrap_or(rest.len()).min(rest.len()));
        let mut metadata = json!({"resourceVersion": revision.to_string(), "continue": ""});
        if let (Some((key, _)), false) = (page.last(), left.is_empty()) {
            metadata["continue"] = ContinueToken { revision, after: (*key).clone() }.write().into();
            // With a selector, the real server can't count the rest either.
            if parameter("labelSelector").or(parameter("fieldSelector")).is_none() {
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
