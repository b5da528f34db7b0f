//! What is left of a cache file that is no JSON any more: cut short, overwritten in part, zeroed by a crash. Whole entries are
//! taken out of it one by one.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::merge::younger;
use super::{Entry, Kind, TokenCache, TokenChange, WITH_AUTH_SCHEME};
use crate::json::{self, Members, Value, check_depth};
use crate::limits::{MAX_CACHE, MAX_RESPONSE};

/// What a damaged file still had; see [`TokenCache::salvage`].
#[non_exhaustive]
#[derive(Debug, Default)]
pub struct Salvaged {
    /// The entries that were whole.
    pub cache: TokenCache,
    /// How many there are.
    pub entries: usize,
    /// How many objects were met that are no entry any more. One that is cut off counts, one that is gone cannot.
    pub broken: usize,
}

impl TokenCache {
    /// Takes whole entries out of a file that [`from_json`](Self::from_json) refuses. Never fails: in the worst case nothing is
    /// found.
    ///
    /// An entry is an object with what its section needs: `credential_type` of a token, `environment` of an account or of
    /// application metadata. Of a section of another library all is taken, if it is whole. An entry that is there twice,
    /// as when a shorter file was written over a longer one, is the younger one. The work is linear in the text.
    pub fn salvage(text: &[u8]) -> Salvaged {
        let text = text.get(..MAX_CACHE).unwrap_or(text);
        let mut salvage = Salvage {
            text,
            section: None,
            // Each byte may be looked at some times in vain, no more.
            budget: text.len().saturating_mul(8).saturating_add(4 * MAX_RESPONSE),
            found: Salvaged::default(),
        };
        salvage.run();
        salvage.found
    }
}

struct Salvage<'a> {
    text: &'a [u8],
    /// The section whose name came last.
    section: Option<Kind>,
    budget: usize,
    found: Salvaged,
}

impl<'a> Salvage<'a> {
    fn run(&mut self) {
        let mut at = 0;
        while let Some(quote) = self.next_quote(at) {
            at = self.member(quote).unwrap_or(quote.saturating_add(1));
        }
    }

    fn next_quote(&self, from: usize) -> Option<usize> {
        let rest = self.text.get(from..)?;
        rest.iter().position(|byte| *byte == b'"').map(|more| from.saturating_add(more))
    }

    /// A name and the object behind it. Gives back where to go on; nothing, where this is no such thing.
    fn member(&mut self, quote: usize) -> Option<usize> {
        let name_end = self.text_end(quote)?;
        let colon = self.skip_space(name_end)?;
        if self.text.get(colon) != Some(&b':') {
            return None;
        }
        let open = self.skip_space(colon.saturating_add(1))?;
        if self.text.get(open) != Some(&b'{') {
            return None;
        }
        let Ok(Value::String(name)) = json::parse(self.text.get(quote..name_end)?, MAX_NAME) else { return None };
        let inside = open.saturating_add(1);
        if let Some(kind) = Kind::of_section(&name) {
            self.section = Some(kind);
            return Some(inside);
        }
        let Some((end, members)) = self.object(open) else {
            self.found.broken = self.found.broken.saturating_add(1);
            return Some(inside);
        };
        self.take(name, members);
        Some(end)
    }

    fn take(&mut self, name: String, members: Members) {
        if let Some(kind) = self.section.filter(|kind| is_entry(*kind, &members)) {
            self.put(kind.section(), name, Entry::from(members));
            return;
        }
        // Not in this section, then: a section of another library, if it has nothing but entries.
        let all = members.as_map();
        if !all.is_empty() && all.values().all(Value::is_object) {
            for (key, value) in all {
                if let Value::Object(inner) = value {
                    self.put(&name, key.clone(), Entry::from(Members::from(inner.clone())));
                }
            }
            self.section = None;
        } else if !all.is_empty() {
            self.found.broken = self.found.broken.saturating_add(1);
        }
    }

    fn put(&mut self, section: &str, key: String, entry: Entry) {
        let before = self.found.cache.at(section, &key);
        if before.is_some_and(|before| younger(&entry, before) != Ordering::Greater) {
            return;
        }
        self.found.entries = self.found.entries.saturating_add(usize::from(before.is_none()));
        let section = section.to_string();
        self.found.cache.apply(Vec::from([TokenChange::Put { section, key, entry }]));
    }

    /// The object that begins here, and where it ends.
    fn object(&mut self, open: usize) -> Option<(usize, Members)> {
        let limit = self.budget.min(MAX_RESPONSE.saturating_mul(4));
        let rest = self.text.get(open..)?;
        let rest = rest.get(..limit).unwrap_or(rest);
        let length = object_length(rest);
        self.budget = self.budget.saturating_sub(length.unwrap_or(rest.len()));
        let object = rest.get(..length?)?;
        check_depth(object).ok()?;
        let members = json::parse_object(object, limit).ok()?;
        Some((open.saturating_add(object.len()), members))
    }

    /// Where a text ends that begins with this quote: behind the other one.
    fn text_end(&mut self, quote: usize) -> Option<usize> {
        let inside = quote.saturating_add(1);
        let (mut escaped, mut length) = (false, 0_usize);
        let mut bytes = self.text.get(inside..)?.iter().take(MAX_NAME.min(self.budget));
        let end = bytes.by_ref().position(|byte| {
            length = length.saturating_add(1);
            let is_end = !escaped && *byte == b'"';
            escaped = !escaped && *byte == b'\\';
            is_end
        });
        self.budget = self.budget.saturating_sub(length);
        end.map(|more| inside.saturating_add(more).saturating_add(1))
    }

    fn skip_space(&self, from: usize) -> Option<usize> {
        let rest = self.text.get(from..)?;
        let space = rest.iter().take(MAX_SPACE).take_while(|byte| b" \t\r\n".contains(byte)).count();
        Some(from.saturating_add(space))
    }
}

/// A key of an entry has its scopes in it; of these there are at most 256 in one request.
const MAX_NAME: usize = 32 * 1024;
/// White space between a name and its value; writers put one blank there.
const MAX_SPACE: usize = 64;

fn is_entry(kind: Kind, members: &Members) -> bool {
    let says = |name: &str| members.text("credential_type").is_some_and(|own| own.eq_ignore_ascii_case(name));
    match kind {
        Kind::AccessToken => says("AccessToken") || says(WITH_AUTH_SCHEME),
        Kind::RefreshToken | Kind::IdToken => says(kind.section()),
        Kind::Account | Kind::AppMetadata => {
            members.text("environment").is_some() && !members.contains("credential_type")
        }
    }
}

/// How long the object is that begins here, by its brackets.
fn object_length(text: &[u8]) -> Option<usize> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (true, b'"') => in_text = false,
            (true, _) => {}
            (false, b'"') => in_text = true,
            (false, b'{' | b'[') => depth = depth.saturating_add(1),
            (false, b'}' | b']') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at.saturating_add(1));
                }
            }
            (false, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    const WHOLE: &str = r#"{"AccessToken":{"a":{"cached_at":"5","credential_type":"AccessToken","own":[1,{"x":{}}],"secret":"s1"},"b":{"credential_type":"AccessToken_With_AuthScheme","secret":"s2"}},"Account":{"u":{"environment":"e","home_account_id":"h"}},"AppMetadata":{"appmetadata-e-c":{"client_id":"c","environment":"e"}},"RefreshToken":{"r":{"credential_type":"RefreshToken","secret":"q\"uo{te"}},"Theirs":{"k":{"v":null},"l":{"w":1}}}"#;

    fn entries(text: &[u8]) -> usize {
        let found = TokenCache::salvage(text);
        assert_eq!(found.cache.everything().count(), found.entries);
        // What comes out is a cache.
        let again = TokenCache::from_json(&found.cache.to_json()).unwrap();
        assert!(again.changes_to(&found.cache).is_empty());
        found.entries
    }

    #[test]
    fn whole_files_lose_nothing() {
        let found = TokenCache::salvage(WHOLE.as_bytes());
        assert_eq!((found.entries, found.broken), (7, 0));
        assert_eq!(core::str::from_utf8(&found.cache.to_json()), Ok(WHOLE));
        let pretty = serde_json::to_vec_pretty(&serde_json::from_str::<Value>(WHOLE).unwrap()).unwrap();
        assert_eq!(entries(&pretty), 7);
    }

    #[test]
    fn files_cut_anywhere() {
        let whole = TokenCache::from_json(WHOLE.as_bytes()).unwrap();
        let mut most = 0;
        for end in 0..WHOLE.len() {
            let found = TokenCache::salvage(&WHOLE.as_bytes()[..end]);
            assert!(found.entries >= most, "{end}");
            most = found.entries;
            // Nothing that was not there.
            assert!(
                found.cache.everything().all(|(section, key, entry)| whole.at(section, key) == Some(entry)),
                "{end}"
            );
        }
        assert_eq!(most, 7);
    }

    #[test]
    fn one_byte_spoils_one_entry() {
        let whole = TokenCache::from_json(WHOLE.as_bytes()).unwrap();
        let secrets = |cache: &TokenCache| {
            let of = |entry: &Entry| entry.secret().to_string();
            cache.everything().map(|(_, key, entry)| (key.to_string(), of(entry))).collect::<Vec<_>>()
        };
        let all = secrets(&whole);
        for at in 0..WHOLE.len() {
            for byte in [0, b'"', b'{', b'}', b'x'] {
                let mut text = WHOLE.as_bytes().to_vec();
                text[at] = byte;
                let found = TokenCache::salvage(&text);
                let intact = secrets(&found.cache).into_iter().filter(|one| all.contains(one)).count();
                // In a name of a section it costs the section, in the bracket of one of ours nothing.
                assert!(intact >= 5 || text == WHOLE.as_bytes(), "{at} {byte}: {}", String::from_utf8_lossy(&text));
            }
        }
    }

    #[test]
    fn other_damage() {
        let entry = |secret: &str, at: u32| {
            format!(r#"{{"cached_at":"{at}","credential_type":"AccessToken","secret":"{secret}"}}"#)
        };
        let file = |secret: &str, at: u32| format!(r#"{{"AccessToken":{{"a":{}}}}}"#, entry(secret, at));
        // A file over a longer one: what is younger counts, wherever it stands.
        for (one, other) in [(1, 2), (2, 1)] {
            let text = file("old", one).replace("old", if one > other { "new" } else { "old" })
                + &file("old", other).replace("old", if other > one { "new" } else { "old" })[3..];
            let found = TokenCache::salvage(text.as_bytes());
            assert_eq!((found.entries, found.cache.at("AccessToken", "a").unwrap().secret()), (1, "new"));
        }
        let cases: &[(&[u8], usize)] = &[
            (b"", 0),
            (b"\0\0\0\0", 0),
            (b"[]", 0),
            (b"<html>\"AccessToken\":{", 0),
            (b"\xef\xbb\xbf{\"AccessToken\":{}}", 0),
            (b"{\"AccessToken\":{\"a\":{\"n\":1}}", 0),
            // In which section is not known.
            (br#""a":{"credential_type":"AccessToken"}"#, 0),
            (br#"{"Account":{"a":{"credential_type":"AccessToken","environment":"e"}"#, 0),
        ];
        for (text, expected) in cases {
            assert_eq!(entries(text), *expected, "{}", String::from_utf8_lossy(text));
        }
        assert_eq!(entries(&[b"\0".repeat(4096), file("s", 1).into_bytes()].concat()), 1);
        assert_eq!(entries(&[b"\xef\xbb\xbf", file("s", 1).as_bytes()].concat()), 1);
    }

    #[test]
    fn work_is_bounded() {
        // Each would-be object reaches to the end of the text.
        let text = "\"a\":{".repeat(200_000);
        assert_eq!(entries(text.as_bytes()), 0);
        assert_eq!(entries("\"".repeat(1_000_000).as_bytes()), 0);
        assert_eq!(entries("\"\\".repeat(100_000).as_bytes()), 0);
    }
}
