//! JSON from outside, bounded before it is parsed: length, nesting. And [`Members`], an object that may hold secrets.

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
    /// A member stands twice in an object, where that is not allowed.
    Repeated,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "too long",
            Self::TooDeep => "nested too deeply",
            Self::Malformed => "not JSON",
            Self::NotAnObject => "not a JSON object",
            Self::Repeated => "a member stands twice in an object",
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
    // Looked at as a whole, its texts need not be looked at one by one.
    let text = core::str::from_utf8(bytes).map_err(|_| JsonError::Malformed)?;
    serde_json::from_str(text).map_err(|_| JsonError::Malformed)
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
    // As a rule there are too few of them to be nested too deeply, wherever they stand.
    let opening: usize = bytes.chunks(255).map(|some| usize::from(brackets(some))).sum();
    if opening <= MAX_JSON_DEPTH {
        return Ok(());
    }
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

/// Brackets that open, in no more bytes than the sum can count: such a loop is done sixteen bytes at a time.
fn brackets(some: &[u8]) -> u8 {
    some.iter().fold(0, |sum, byte| sum.wrapping_add(u8::from(byte & !0x20 == b'[')))
}

/// As [`parse_object`], and no object in it, at any depth, has a member twice (RFC 7515 s4, RFC 7519 s4).
///
/// # Errors
/// [`JsonError`] says which bound or rule the text breaks.
pub(crate) fn parse_distinct(bytes: &[u8], max: usize) -> Result<Members, JsonError> {
    if bytes.len() > max {
        return Err(JsonError::TooLong);
    }
    let text = core::str::from_utf8(bytes).map_err(|_| JsonError::Malformed)?;
    let mut text = serde_json::Deserializer::from_str(text);
    let parsed = Distinct { deeper: MAX_JSON_DEPTH }.deserialize(&mut text).map_err(|why| match why.classify() {
        _ if check_depth(bytes).is_err() => JsonError::TooDeep,
        // Nothing else in what is JSON does not fit into a value.
        serde_json::error::Category::Data => JsonError::Repeated,
        _ => JsonError::Malformed,
    })?;
    match (text.end(), parsed) {
        (Ok(()), Value::Object(members)) => Ok(Members(members)),
        (ended, mut other) => {
            wipe(&mut other);
            Err(if ended.is_ok() { JsonError::NotAnObject } else { JsonError::Malformed })
        }
    }
}

/// Reads any value, and fails at a name that it has met in the same object, and where it is nested too deeply.
#[derive(Clone, Copy)]
struct Distinct {
    deeper: usize,
}

impl Distinct {
    fn inside<E: serde::de::Error>(self) -> Result<Self, E> {
        let deeper = self.deeper.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(Self { deeper })
    }
}

impl<'de> DeserializeSeed<'de> for Distinct {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Distinct {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated names")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(String::from(value)))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(inside)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut all = Vec::with_capacity(16);
        while let Some(name) = members.next_key::<String>()? {
            all.push((name, members.next_value_seed(inside)?));
        }
        // All together they are sorted faster than one by one.
        let count = all.len();
        let map: Map<_, _> = all.into_iter().collect();
        match map.len() == count {
            true => Ok(Value::Object(map)),
            false => Err(A::Error::custom("repeated name")),
        }
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
            (r#"{"a":1,"b":[{"a":-1},{"a":2.5}],"c":null,"d":true,"e":"\u00e9","f":18446744073709551616}"#, Ok(6)),
            (r#"{"a":1,"a":1}"#, Err(JsonError::Repeated)),
            (r#"{"a":1,"\u0061":2}"#, Err(JsonError::Repeated)),
            (r#"{"b":[{"c":{"d":"x","d":true}}]}"#, Err(JsonError::Repeated)),
            (r#"["a"]"#, Err(JsonError::NotAnObject)),
            (r#"{"a":1}x"#, Err(JsonError::Malformed)),
            (r#"{"a":1"#, Err(JsonError::Malformed)),
            (r#"{"a":1e999}"#, Err(JsonError::Malformed)),
        ];
        for (text, expected) in cases {
            let parsed = parse_distinct(text.as_bytes(), 100);
            if let Ok(members) = &parsed {
                assert_eq!(Ok(members), parse_object(text.as_bytes(), 100).as_ref(), "{text}");
            }
            assert_eq!(parsed.map(|members| members.len()), expected, "{text}");
        }
        assert_eq!(parse_distinct(b"{}", 1), Err(JsonError::TooLong));
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        for (depth, expected) in [(MAX_JSON_DEPTH - 1, Ok(1)), (MAX_JSON_DEPTH, Err(JsonError::TooDeep))] {
            assert_eq!(parse_distinct(nested(depth).as_bytes(), 1000).map(|members| members.len()), expected);
            assert_eq!(parse_object(nested(depth).as_bytes(), 1000).map(|members| members.len()), expected);
        }
    }

    #[test]
    fn debug_shows_names_only() {
        let members = parse_object(br#"{"access_token":"planted"}"#, 64).unwrap();
        assert_eq!(format!("{members:?}"), r#"Members{"access_token"}"#);
    }
}
