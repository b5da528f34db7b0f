//! JSON from outside, bounded before it is parsed: length, nesting. And [`Members`], an object that may hold secrets.

#[cfg(feature = "serde_json")]
mod distinct;
#[cfg(any(not(feature = "serde_json"), test, feature = "fuzzing"))]
pub(crate) mod read;
#[cfg(any(not(feature = "serde_json"), test, feature = "fuzzing"))]
#[cfg_attr(feature = "serde_json", allow(dead_code, reason = "there it is only held against the other"))]
pub(crate) mod tree;
#[cfg(any(not(feature = "serde_json"), test, feature = "fuzzing"))]
pub(crate) mod write;
#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use zeroize::Zeroizing;

use crate::limits::MAX_JSON_DEPTH;
use crate::secret::wipe_text;
use crate::text;

/// Any JSON value: that of `serde_json`, where that feature is on.
#[cfg(feature = "serde_json")]
pub use serde_json::Value;
#[cfg(not(feature = "serde_json"))]
pub use tree::Value;

/// The members of an object by their names.
#[cfg(feature = "serde_json")]
pub type Map = serde_json::Map<String, Value>;
#[cfg(not(feature = "serde_json"))]
pub use tree::Map;

/// A number as it stands in a text.
#[cfg(feature = "serde_json")]
pub(crate) use serde_json::Number;
#[cfg(not(feature = "serde_json"))]
pub(crate) use tree::Number;

/// Why a text is not usable JSON. Never holds the text.
#[non_exhaustive]
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
    #[cfg(feature = "serde_json")]
    {
        check_depth(bytes)?;
        // Looked at as a whole, its texts need not be looked at one by one.
        let text = core::str::from_utf8(bytes).map_err(|_| JsonError::Malformed)?;
        serde_json::from_str(text).map_err(|_| JsonError::Malformed)
    }
    #[cfg(not(feature = "serde_json"))]
    whole(bytes, false)
}

/// Reads a text that is one value and nothing else. How deep it is nested is counted on the way, so what is wrong with it before that
/// is named first.
#[cfg(any(not(feature = "serde_json"), test, feature = "fuzzing"))]
pub(crate) fn whole(bytes: &[u8], distinct: bool) -> Result<tree::Value, JsonError> {
    let text = core::str::from_utf8(bytes).map_err(|_| JsonError::Malformed)?;
    let mut reader = read::Reader::new(text, distinct);
    let value = reader.value();
    // Where both are there to be compared, depth is named before any other fault, as by `serde_json`'s side.
    #[cfg(feature = "serde_json")]
    let value = value.map_err(|why| check_depth(bytes).err().unwrap_or(why));
    let value = value?;
    reader.end()?;
    Ok(value)
}

/// Parses a JSON object of at most `max` bytes.
///
/// # Errors
/// [`JsonError`] says which bound or rule the text breaks.
pub fn parse_object(bytes: &[u8], max: usize) -> Result<Members, JsonError> {
    members(parse(bytes, max)?)
}

fn members(value: Value) -> Result<Members, JsonError> {
    match value {
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
    #[cfg(feature = "serde_json")]
    let value = distinct::parse(bytes);
    #[cfg(not(feature = "serde_json"))]
    let value = whole(bytes, true);
    members(value?)
}

/// A number without its fraction; one that does not fit is the largest or the smallest that does.
pub(crate) fn whole_number(number: &Number) -> i64 {
    #[cfg(feature = "serde_json")]
    {
        // `as` saturates, and JSON has no NaN; the fraction is what has to go.
        number.as_i64().unwrap_or_else(|| number.as_f64().unwrap_or_default() as i64)
    }
    #[cfg(not(feature = "serde_json"))]
    number.whole()
}

/// Whether a number is zero.
pub(crate) fn is_zero(number: &Number) -> bool {
    #[cfg(feature = "serde_json")]
    {
        number.as_f64() == Some(0.0)
    }
    #[cfg(not(feature = "serde_json"))]
    number.is_zero()
}

/// An object with these members.
pub(crate) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (String::from(name), value)).collect())
}

/// An array of texts.
pub(crate) fn texts<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> Value {
    Value::Array(items.into_iter().map(|item| Value::from(item.as_ref())).collect())
}

/// Overwrites every text inside a JSON value.
pub(crate) fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => wipe_text(text),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        _ => {}
    }
}

/// The members of a JSON object that may hold secrets: `Debug` shows their names only, and every text is zeroed on drop.
#[derive(Clone, Default)]
pub struct Members(Map);

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

    /// Takes a member out.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
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

    /// The members themselves, for those who keep them in another way: they are to be zeroed there.
    pub(crate) fn into_map(mut self) -> Map {
        core::mem::take(&mut self.0)
    }

    /// The object itself, for those who serialize it.
    pub fn as_map(&self) -> &Map {
        &self.0
    }

    /// As JSON text, which is as secret as what is inside.
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        #[cfg(feature = "serde_json")]
        {
            // A map with text keys always serializes.
            Zeroizing::new(serde_json::to_vec(&self.0).unwrap_or_default())
        }
        #[cfg(not(feature = "serde_json"))]
        {
            let mut out = String::new();
            // Writing to a text does not fail.
            let _ = write::object(&mut out, &self.0);
            Zeroizing::new(out.into_bytes())
        }
    }
}

fn cut_out(value: &mut Value, secret: &str) {
    match value {
        Value::String(text) if text::find(text, secret).is_some() => {
            let without = text::replace(text, secret, "[hidden]");
            wipe(value);
            *value = Value::String(without);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| cut_out(item, secret)),
        Value::Object(members) => members.values_mut().for_each(|member| cut_out(member, secret)),
        _ => {}
    }
}

impl From<Map> for Members {
    fn from(members: Map) -> Self {
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
