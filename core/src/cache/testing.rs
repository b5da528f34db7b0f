//! Small caches for the tests of this room.

use alloc::format;
use alloc::string::String;

use super::TokenCache;

/// An access token of client `c`, tenant `r` and account `h` on host `e`, with these members on top.
pub(super) fn token(target: &str, members: &str) -> String {
    let mut token: serde_json::Value = serde_json::json!({
        "credential_type": "AccessToken", "environment": "e", "client_id": "c", "realm": "r", "home_account_id": "h",
        "secret": "s", "target": target, "expires_on": "10000",
    });
    let more: serde_json::Map<_, _> = serde_json::from_str(&format!("{{{members}}}")).unwrap();
    token.as_object_mut().unwrap().extend(more);
    format!("{token}")
}

/// A cache with these access tokens, in this order.
pub(super) fn cache(entries: &[(&str, &str)]) -> TokenCache {
    let entries: alloc::vec::Vec<_> = entries.iter().map(|(key, entry)| format!("{key:?}:{entry}")).collect();
    TokenCache::from_json(format!(r#"{{"AccessToken":{{{}}}}}"#, entries.join(",")).as_bytes()).unwrap()
}
