//! Where tokens lie in Redis, and as what. Names there are digests: they tell nothing about people, tenants or applications.
//!
//! Entries are kept apart by application and account (a *bucket*), since that is what an acquisition needs. Its tenant is often not
//! known before the authority was asked; it is a part of the entry's own name.

use ring::digest::{SHA256, digest};
use ring::hmac;
use sansal::base64::hex_encode;
use sansal::cache::{Entry, Kind, TokenChange};
use sansal::entropy::NoEntropy;
use sansal::time::UnixTime;

use crate::data_key::DataKey;

/// Names of digests, and values under the key.
pub(super) struct Places {
    key: Option<DataKey>,
    mac: hmac::Key,
}

/// Which application's entries (nobody's: what applications share), and whose.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Bucket {
    pub(super) feed: String,
    pub(super) name: String,
}

/// What an entry's name in Redis stands for.
pub(super) struct Told {
    pub(super) section: String,
    pub(super) key: String,
    pub(super) entry: Entry,
}

impl Places {
    pub(super) fn new(key: Option<DataKey>) -> Self {
        let bytes = key.as_ref().map_or([0; DataKey::LENGTH], |key| key.derive("names in Redis"));
        Self { key, mac: hmac::Key::new(hmac::HMAC_SHA256, &bytes) }
    }

    /// What the mark of this prefix has to be, or may be.
    pub(super) fn mark(&self, chance: &[u8; 32]) -> Vec<u8> {
        match &self.key {
            Some(key) => format!("key {}", hex_encode(&key.derive("mark in Redis"))).into_bytes(),
            None => format!("plain {}", hex_encode(chance)).into_bytes(),
        }
    }

    /// The key that all processes of this prefix compute names of leases with.
    pub(super) fn lease_key(&self, shared: &[u8]) -> [u8; 64] {
        let first = match &self.key {
            Some(key) => key.derive("leases in Redis"),
            None => digest(&SHA256, shared).as_ref().try_into().unwrap_or_default(),
        };
        let mut both = [0; 64];
        both.iter_mut().zip(first).for_each(|(to, from)| *to = from);
        both
    }

    /// All entries of this application, whosever they are.
    pub(super) fn feed(&self, client_id: &str) -> String {
        self.named(&["feed", client_id])
    }

    pub(super) fn bucket(&self, client_id: &str, home_account_id: &str) -> Bucket {
        let (client, home) = (client_id.to_lowercase(), home_account_id.to_lowercase());
        Bucket { feed: self.feed(&client), name: self.named(&["bucket", &client, &home]) }
    }

    /// Where an entry belongs. Accounts, applications' metadata and the refresh tokens of a family are for all applications.
    pub(super) fn bucket_of(&self, section: &str, entry: &Entry) -> Bucket {
        let text = |name| entry.text(name).unwrap_or_default();
        let is_shared = match Kind::of_section(section) {
            Some(Kind::Account | Kind::AppMetadata) => true,
            Some(Kind::RefreshToken) => !text("family_id").is_empty(),
            _ => false,
        };
        self.bucket(if is_shared { "" } else { text("client_id") }, text("home_account_id"))
    }

    /// Where the account of an entry's owner is.
    pub(super) fn account_of(&self, entry: &Entry) -> Bucket {
        self.bucket("", entry.text("home_account_id").unwrap_or_default())
    }

    pub(super) fn entry(&self, section: &str, key: &str) -> String {
        self.named(&["entry", section, key])
    }

    fn named(&self, parts: &[&str]) -> String {
        let mut context = hmac::Context::with_key(&self.mac);
        for part in parts {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            context.update(part.as_bytes());
        }
        let tag = context.sign();
        hex_encode(tag.as_ref().first_chunk::<16>().unwrap_or(&[0; 16]))
    }

    /// What stands in Redis for an entry of this name.
    pub(super) fn seal(&self, name: &str, section: &str, key: &str, entry: &Entry) -> Result<Vec<u8>, NoEntropy> {
        let head = format!("{}:{section}{}:{key}", section.len(), key.len());
        let text = zeroize::Zeroizing::new([head.as_bytes(), &entry.to_json()].concat());
        match &self.key {
            Some(data_key) => data_key.seal(&text, name.as_bytes()),
            None => Ok(text.to_vec()),
        }
    }

    /// Nothing, if it is damaged, or not from here.
    pub(super) fn open(&self, name: &str, value: &[u8]) -> Option<Told> {
        let opened = match &self.key {
            Some(key) => key.open(value, name.as_bytes()).ok()?,
            None => zeroize::Zeroizing::new(value.to_vec()),
        };
        let (section, rest) = cut(&opened)?;
        let (key, rest) = cut(rest)?;
        let told = Told { section, key, entry: Entry::from_json(rest).ok()? };
        (self.entry(&told.section, &told.key) == name).then_some(told)
    }
}

/// A text with its length before it.
fn cut(text: &[u8]) -> Option<(String, &[u8])> {
    let at = text.iter().position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(text.get(..at)?).ok()?.parse().ok()?;
    let (text, rest) = text.get(at.checked_add(1)?..)?.split_at_checked(length)?;
    Some((String::from_utf8(text.to_vec()).ok()?, rest))
}

/// Seconds that Redis is asked to keep something at the most: a hundred years. Its scripts count in numbers that turn into ones
/// with an exponent, and it refuses those, with all that is written at the same time.
pub(super) const LONGEST: u64 = 100 * 365 * 24 * 3600;

/// How long an entry is kept, in seconds: a token that says when it ends until then, `otherwise` all others.
pub(super) fn lasts(entry: &Entry, now: UnixTime, otherwise: u64) -> u64 {
    let extended = entry.text("extended_expires_on").and_then(|text| text.parse().ok());
    let end = entry.expires_on().map(|end| extended.map_or(end.0, |extended: u64| extended.max(end.0)));
    end.map_or(otherwise, |end| end.saturating_sub(now.0).max(1)).min(LONGEST)
}

/// Whether it has ended.
pub(super) fn has_ended(entry: &Entry, now: UnixTime) -> bool {
    entry.expires_on().is_some() && lasts(entry, now, 0) <= 1
}

/// The change that puts what is known at a place, or removes it.
pub(super) fn change(section: &str, key: &str, entry: Option<&Entry>) -> TokenChange {
    let (section, key) = (section.to_owned(), key.to_owned());
    match entry {
        Some(entry) => TokenChange::Put { section, key, entry: entry.clone() },
        None => TokenChange::Remove { section, key },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Entry {
        Entry::from_json(text.as_bytes()).unwrap()
    }

    #[test]
    fn values_belong_to_their_names() {
        let (key, other) = (DataKey::new(&[1; 32]), DataKey::new(&[2; 32]));
        let token = entry(r#"{"secret":"planted","client_id":"c"}"#);
        for key in [None, Some(key)] {
            let places = Places::new(key.clone());
            let name = places.entry("AccessToken", "a:1\n2");
            let value = places.seal(&name, "AccessToken", "a:1\n2", &token).unwrap();
            let told = places.open(&name, &value).unwrap();
            assert_eq!((&*told.section, &*told.key), ("AccessToken", "a:1\n2"));
            assert!(told.entry == token && !name.contains("a:1"));
            assert!(places.open(&places.entry("AccessToken", "b"), &value).is_none(), "moved");
            let foreign = Places::new(Some(other.clone()));
            assert!(foreign.open(&name, &value).is_none() && foreign.entry("AccessToken", "a:1\n2") != name);
            for at in 0..value.len() {
                assert!(places.open(&name, &value[..at]).is_none(), "{at}");
            }
            assert_eq!(String::from_utf8_lossy(&value).contains("planted"), key.is_none());
            assert_ne!(places.mark(&[0; 32]), foreign.mark(&[0; 32]));
        }
    }

    #[test]
    fn who_shares_what() {
        let places = Places::new(None);
        let both = r#"{"client_id":"C","home_account_id":"U.t","#;
        let cases = [
            ("AccessToken", format!(r#"{both}"realm":"1"}}"#), ("c", "u.T")),
            ("AccessToken", r#"{"client_id":"c","home_account_id":null}"#.into(), ("c", "")),
            ("IdToken", format!(r#"{both}"realm":"1"}}"#), ("c", "u.t")),
            ("RefreshToken", format!(r#"{both}"family_id":""}}"#), ("c", "u.t")),
            ("RefreshToken", format!(r#"{both}"family_id":"1"}}"#), ("", "u.t")),
            ("Account", format!(r#"{both}"realm":"1"}}"#), ("", "u.t")),
            ("AppMetadata", r#"{"client_id":"c","environment":"e"}"#.into(), ("", "")),
            ("Own", format!(r#"{both}"realm":"1"}}"#), ("c", "u.t")),
        ];
        for (section, text, (client, home)) in cases {
            assert!(places.bucket_of(section, &entry(&text)) == places.bucket(client, home), "{section} {text}");
        }
        assert!(places.bucket("a", "bc") != places.bucket("ab", "c"));
    }

    #[test]
    fn how_long() {
        let now = UnixTime(1000);
        for (text, expected, ended) in [
            (r#"{"expires_on":"1100"}"#, 100, false),
            (r#"{"expires_on":"1100","extended_expires_on":"1500"}"#, 500, false),
            (r#"{"expires_on":"900"}"#, 1, true),
            (r#"{"secret":"refresh"}"#, 77, false),
            (r#"{"expires_on":"9223372036854775807"}"#, LONGEST, false),
            (r#"{"expires_on":"1100","extended_expires_on":"18446744073709551615"}"#, LONGEST, false),
        ] {
            assert_eq!((lasts(&entry(text), now, 77), has_ended(&entry(text), now)), (expected, ended), "{text}");
        }
        assert_eq!(lasts(&entry("{}"), now, u64::MAX), LONGEST, "for ever");
    }
}
