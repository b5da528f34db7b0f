//! Who is signed in: section 4.12 of the reference, without its network.

#[cfg(not(feature = "index"))]
use alloc::collections::btree_map::{BTreeMap as Places, Entry as Place};
use alloc::vec::Vec;

#[cfg(feature = "index")]
use hashbrown::hash_map::{Entry as Place, HashMap as Places};

use super::TokenCache;
use super::entry::{Entry, Kind};

/// The types of account that are listed. In Cloud Shell there is a third, `CLOUDSHELL`.
pub const ACCOUNT_TYPES: [&str; 2] = ["ADFS", "MSSTS"];

impl TokenCache {
    /// The accounts of an environment, one for each home account, in the order in which those came; of several realms,
    /// the last one's entry.
    ///
    /// The first of `environments` is the authority's host, the others are its aliases: the first one that has accounts
    /// answers alone. `username` is compared without regard to case, with the accounts of that one; an empty one is
    /// none. `authority_types` are those that count, as a rule [`ACCOUNT_TYPES`]. Entries that are of no type or have no
    /// environment are passed over, and so are those with no user name when one is given (G-40).
    ///
    /// The cost is linear in the number of accounts. Application and refresh tokens are not looked at.
    pub fn accounts(&self, environments: &[&str], username: Option<&str>, authority_types: &[&str]) -> Vec<&Entry> {
        let username = username.filter(|name| !name.is_empty()).map(str::to_lowercase);
        let all = environments.iter().map(|host| self.accounts_at(host, authority_types));
        let mut accounts = all.into_iter().find(|accounts| !accounts.is_empty()).unwrap_or_default();
        if let Some(wanted) = username {
            accounts.retain(|entry| entry.text("username").is_some_and(|name| name.to_lowercase() == wanted));
        }
        accounts
    }

    fn accounts_at(&self, environment: &str, authority_types: &[&str]) -> Vec<&Entry> {
        let Some(section) = self.section(Kind::Account) else { return Vec::new() };
        let mut accounts: Vec<&Entry> = Vec::new();
        let mut by_home = Places::new();
        for (_, entry) in section.entries() {
            let is_here = entry.text("environment").is_some_and(|host| host.eq_ignore_ascii_case(environment));
            if !is_here || !entry.text("authority_type").is_some_and(|kind| authority_types.contains(&kind)) {
                continue;
            }
            match by_home.entry(entry.text("home_account_id")) {
                Place::Occupied(place) => {
                    if let Some(standing) = accounts.get_mut(*place.get()) {
                        *standing = entry;
                    }
                }
                Place::Vacant(place) => {
                    place.insert(accounts.len());
                    accounts.push(entry);
                }
            }
        }
        accounts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use serde_json::{Map, Value};
    use std::path::Path;

    #[test]
    fn which_accounts() {
        // Section 4.12 of the reference, G-40.
        let text = r#"{"Account":{
            "1":{"home_account_id":"a","environment":"e","realm":"1","username":"Ada@x","authority_type":"MSSTS"},
            "2":{"home_account_id":"b","environment":"E","realm":"1","username":"\u00c4da@x","authority_type":"ADFS"},
            "3":{"home_account_id":"a","environment":"e","realm":"2","username":"ada@x","authority_type":"MSSTS"},
            "4":{"home_account_id":"c","environment":"e","realm":"3","username":null,"authority_type":"MSSTS"},
            "5":{"home_account_id":"d","environment":"e","realm":"4","username":"ada@x"},
            "6":{"home_account_id":"d","environment":"e","realm":"5","username":"ada@x","authority_type":"CLOUDSHELL"},
            "7":{"home_account_id":"a","environment":"f","realm":"6","username":"ada@x","authority_type":"MSSTS"},
            "8":{"home_account_id":"a","environment":null,"realm":"7","authority_type":"MSSTS"},
            "9":7}}"#;
        let cache = TokenCache::from_json(text.as_bytes()).unwrap();
        let shell = ["ADFS", "MSSTS", "CLOUDSHELL"];
        type Case<'a> = (&'a [&'a str], Option<&'a str>, &'a [&'a str], &'a [&'a str]);
        let cases: &[Case<'_>] = &[
            (&["e"], None, &ACCOUNT_TYPES, &["2", "1", "3"]),
            (&["E", "f"], None, &ACCOUNT_TYPES, &["2", "1", "3"]),
            (&["x", "f", "e"], None, &ACCOUNT_TYPES, &["6"]),
            (&["x"], None, &ACCOUNT_TYPES, &[]),
            (&[], None, &ACCOUNT_TYPES, &[]),
            (&["e"], None, &shell, &["2", "1", "3", "5"]),
            (&["e"], Some("ADA@X"), &ACCOUNT_TYPES, &["2"]),
            (&["e"], Some("\u{e4}DA@x"), &ACCOUNT_TYPES, &["1"]),
            (&["e"], Some(""), &ACCOUNT_TYPES, &["2", "1", "3"]),
            (&["e", "f"], Some("nobody"), &ACCOUNT_TYPES, &[]),
        ];
        for (environments, username, types, expected) in cases {
            let found = cache.accounts(environments, *username, types);
            let realms: Vec<_> = found.iter().filter_map(|entry| entry.text("realm")).collect();
            assert_eq!(realms, *expected, "{environments:?} {username:?}");
        }
    }

    #[test]
    fn as_recorded() {
        // Steps of the transcripts that list accounts before anything changes the cache.
        let mut count = 0;
        for name in
            ["accounts__guest_realms_grouped", "accounts__list_and_filter", "cloud_shell__accounts_hidden_outside"]
        {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/transcripts");
            let text = std::fs::read(path.join(alloc::format!("{name}.json"))).unwrap();
            let transcript: Value = serde_json::from_slice(&text).unwrap();
            let cache = TokenCache::from_json(transcript["cache_before"].to_string().as_bytes()).unwrap();
            for step in transcript["steps"].as_array().unwrap() {
                match step["call"].as_str() {
                    Some("get_accounts") => {}
                    Some("__init__") => continue,
                    _ => break,
                }
                let username = step["args"]["username"].as_str();
                let found = cache.accounts(&["login.microsoftonline.com"], username, &ACCOUNT_TYPES);
                let expected = step["result"].get("$unordered").unwrap_or(&step["result"]).as_array().unwrap();
                assert_eq!(found.len(), expected.len(), "{name}");
                for (entry, expected) in found.iter().zip(expected) {
                    let expected: &Map<_, _> = expected.as_object().unwrap();
                    for (member, value) in expected {
                        assert_eq!(entry.member(member).unwrap_or(&Value::Null), value, "{name} {member}");
                    }
                }
                count += 1;
            }
        }
        assert!(count >= 4, "{count}");
    }
}
