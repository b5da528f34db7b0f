//! JSON from outside, bounded before it is parsed: length, nesting. And [`Members`], an object that may hold secrets.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::limits::MAX_JSON_DEPTH;
use crate::secret::wipe;

/// Why a text is not usable JSON. Never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonError {
    /// Longer than the limit for this place.
    TooLong,
    /// Nested deeper than [`MAX_JSON_DEPTH`].
    TooDeep,
    /// Not JSON (RFC 8259).
    Malformed,
    /// JSON, but not an object.
    NotAnObject,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "too long",
            Self::TooDeep => "nested too deeply",
            Self::Malformed => "not JSON",
            Self::NotAnObject => "not a JSON object",
        })
    }
}

/// Parses a JSON value of at most `max` bytes.
///
/// # Errors
/// [`JsonError`] says which bound or rule the text breaks.
pub fn parse(bytes: &[u8], max: usize) -> Result<Value, JsonError> {
    if bytes.len() > max {
        return Err(JsonError::TooLong);
    }
    check_depth(bytes)?;
    serde_json::from_slice(bytes).map_err(|_| JsonError::Malformed)
}

/// Parses a JSON object of at most `max` bytes.
///
/// # Errors
/// [`JsonError`] says which bound or rule the text breaks.
pub fn parse_object(bytes: &[u8], max: usize) -> Result<Members, JsonError> {
    match parse(bytes, max)? {
        Value::Object(members) => Ok(Members(members)),
        mut other => {
            wipe(&mut other);
            Err(JsonError::NotAnObject)
        }
    }
}

/// Counts brackets outside of texts, so that no parser recurses deeper than we allow.
pub(crate) fn check_depth(bytes: &[u8]) -> Result<(), JsonError> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (true, b'"') => in_text = false,
            (true, _) => {}
            (false, b'"') => in_text = true,
            (false, b'[' | b'{') => {
                depth = depth.saturating_add(1);
                if depth > MAX_JSON_DEPTH {
                    return Err(JsonError::TooDeep);
                }
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            (false, _) => {}
        }
    }
    Ok(())
}

/// Whether no object in this JSON, at any depth, has a member twice. The text has been parsed before.
pub(crate) fn names_are_unique(bytes: &[u8]) -> bool {
    Unique.deserialize(&mut serde_json::Deserializer::from_slice(bytes)).is_ok()
}

/// Reads any value, keeps nothing, and fails at a name that it has met in the same object.
struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated names")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Unique)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("repeated name"));
            }
            members.next_value_seed(Unique)?;
        }
        Ok(())
    }
}

/// The members of a JSON object that may hold secrets: `Debug` shows their names only, and every text is zeroed on drop.
#[derive(Clone, Default)]
pub struct Members(Map<String, Value>);

impl Members {
    /// No members.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a member; `None` if it is absent, `Some(Value::Null)` if it is null.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The value of a member that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// Whether the member exists, null or not.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Sets a member; what stood there is zeroed.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        if let Some(mut old) = self.0.insert(String::from(name), value.into()) {
            wipe(&mut old);
        }
    }

    /// Removes a member and zeroes it.
    pub fn remove(&mut self, name: &str) {
        if let Some(mut old) = self.0.remove(name) {
            wipe(&mut old);
        }
    }

    /// Keeps the members that `keep` accepts; the others are zeroed.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.0.retain(|name, value| {
            let stays = keep(name);
            if !stays {
                wipe(value);
            }
            stays
        });
    }

    /// Replaces a secret wherever a text contains it.
    pub(crate) fn cut_out(&mut self, secret: &str) {
        self.0.values_mut().for_each(|value| cut_out(value, secret));
    }

    /// Names and values, in a stable order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The object itself, for those who serialize it.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// As JSON text, which is as secret as what is inside.
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        // A map with text keys always serializes.
        Zeroizing::new(serde_json::to_vec(&self.0).unwrap_or_default())
    }
}

fn cut_out(value: &mut Value, secret: &str) {
    match value {
        Value::String(text) if text.contains(secret) => {
            let without = text.replace(secret, "[hidden]");
            wipe(value);
            *value = Value::String(without);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| cut_out(item, secret)),
        Value::Object(members) => members.values_mut().for_each(|member| cut_out(member, secret)),
        _ => {}
    }
}

impl From<Map<String, Value>> for Members {
    fn from(members: Map<String, Value>) -> Self {
        Self(members)
    }
}

impl PartialEq for Members {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Members")?;
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        self.0.values_mut().for_each(wipe);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn objects() {
        let deep = "[".repeat(MAX_JSON_DEPTH + 1);
        let cases: &[(&str, Result<usize, JsonError>)] = &[
            ("{}", Ok(0)),
            (r#"{"a":1,"b":"]}"}"#, Ok(2)),
            ("[]", Err(JsonError::NotAnObject)),
            ("", Err(JsonError::Malformed)),
            ("{}x", Err(JsonError::Malformed)),
            ("\u{feff}{}", Err(JsonError::Malformed)),
            ("{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\":1}", Err(JsonError::TooLong)),
            (&deep, Err(JsonError::TooDeep)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_object(text.as_bytes(), 64).map(|m| m.len()), *expected, "{text}");
        }
    }

    #[test]
    fn names_that_repeat() {
        let cases = [
            (r#"{"a":1,"b":[{"a":1},{"a":2.5}],"c":null}"#, true),
            (r#"{"a":1,"a":1}"#, false),
            (r#"{"a":1,"\u0061":2}"#, false),
            (r#"{"b":[{"c":{"d":"x","d":true}}]}"#, false),
        ];
        for (text, expected) in cases {
            assert_eq!(names_are_unique(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn debug_shows_names_only() {
        let members = parse_object(br#"{"access_token":"planted"}"#, 64).unwrap();
        assert_eq!(format!("{members:?}"), r#"Members{"access_token"}"#);
    }
}
