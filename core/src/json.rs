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
    #[cfg(feature = "serde_json")]
    {
        // Looked at as a whole, its texts need not be looked at one by one.
        let text = core::str::from_utf8(bytes).map_err(|_| JsonError::Malformed)?;
        serde_json::from_str(text).map_err(|_| JsonError::Malformed)
    }
    #[cfg(not(feature = "serde_json"))]
    whole(bytes, false)
}

/// Reads a text that is one value and nothing else.
#[cfg(any(not(feature = "serde_json"), test, feature = "fuzzing"))]
pub(crate) fn whole(bytes: &[u8], distinct: bool) -> Result<tree::Value, JsonError> {
    let text = core::str::from_utf8(bytes).map_err(|_| JsonError::Malformed)?;
    let mut reader = read::Reader::new(text, distinct);
    // What is nested too deeply is called so, whatever else is wrong with it.
    let value = reader.value().map_err(|why| check_depth(bytes).err().unwrap_or(why))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;
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

    /// What the reader for devices makes of a text, as `serde_json` has it.
    fn on_devices(text: &[u8], distinct: bool) -> Result<Value, JsonError> {
        let value = whole(text, distinct)?;
        let written = format!("{value}");
        assert_eq!(whole(written.as_bytes(), distinct).as_ref(), Ok(&value), "what it writes it reads the same");
        Ok(serde_json::from_str(&written).unwrap())
    }

    #[test]
    fn both_readers_read_the_same() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        let (deep, deeper, bad) =
            (nested(MAX_JSON_DEPTH), nested(MAX_JSON_DEPTH + 1), "[x".to_owned() + &"[".repeat(99));
        for text in [
            // Values, and space between them.
            "null",
            "true",
            "false",
            "{}",
            "[]",
            "\"\"",
            " \t\r\n{ \"a\" : [ 1 , { } ] , \"b\" : null } ",
            "[[],[[]],{}]",
            "",
            " ",
            "nul",
            "nulll",
            "True",
            "truefalse",
            "{}{}",
            "{}x",
            "[1 2]",
            "[1,]",
            "[,1]",
            "[,]",
            "{,}",
            "{\"a\":1,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\" 1}",
            "{a:1}",
            "{7:1}",
            "{\"a\":1 \"b\":2}",
            "[",
            "{",
            "]",
            "}",
            "[}",
            "{]",
            "[1",
            "{\"a\":1",
            "\u{b}1",
            "\u{feff}{}",
            "\u{a0}1",
            "/**/1",
            // Texts (RFC 8259 s7).
            r#""\"\\\/\b\f\n\r\t""#,
            r#""\u0000\u001f\u0041\u00e9\u20AC\uFFFF""#,
            r#""\ud83d\ude00 \uD83D\uDE00""#,
            r#""\udbff\udfff""#,
            "\"\u{7f}\u{e9}\u{1f600}\u{2028}\"",
            r#""\ud83d""#,
            r#""\ud83dx""#,
            r#""\ud83d\n""#,
            r#""\ud83d\ud83d""#,
            r#""\ude00""#,
            r#""\u12""#,
            r#""\u123""#,
            r#""\u123g""#,
            r#""\u+123""#,
            r#""\x""#,
            r#""\""#,
            r#""\"#,
            "\"",
            "\"a",
            "'a'",
            "\"\t\"",
            "\"\n\"",
            "\"\0\"",
            "\"a\u{1f}\"",
            r#"{"\u0061":1}"#,
            r#""\u00e9\u00""#,
            "\"\\\u{e9}\"",
            "\"\\u00\u{e9}\"",
            // Numbers (s6).
            "0",
            "-0",
            "7",
            "-7",
            "10",
            "01",
            "-01",
            "00",
            "+1",
            "-",
            "--1",
            ".5",
            "5.",
            "-.5",
            "0.5",
            "1.25",
            "1e2",
            "1E+2",
            "1e-2",
            "1e",
            "1e+",
            "1.e2",
            "1.5e3",
            "0x1",
            "1_0",
            "Infinity",
            "NaN",
            "18446744073709551615",
            "18446744073709551616",
            "-9223372036854775808",
            "-9223372036854775809",
            "1e308",
            "1e309",
            "-1e999",
            "1.7976931348623157e308",
            "1.8e308",
            "0e999",
            "0.0e-999",
            "1e-999",
            "17976931348623157e292",
            "18e307",
            "0.0000000001e318",
            "0.0000000001e319",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "0e99999999999999999999",
            "9.99",
            // Names that repeat: the last one counts.
            r#"{"a":1,"a":2}"#,
            r#"{"b":0,"a":1,"b":1,"a":2,"b":2,"c":3}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"[{"a":{"b":1,"b":1}}]"#,
            r#"{"a":1,"a":1"#,
            r#"{"z":1,"y":2,"x":3,"":4}"#,
            &deep,
            &deeper,
            &bad,
        ] {
            let expected = parse(text.as_bytes(), 1000);
            let got = check_depth(text.as_bytes()).and_then(|()| on_devices(text.as_bytes(), false));
            assert_eq!(got, expected, "{text}");
            let expected = parse_distinct(text.as_bytes(), 1000).map(|all| Value::Object(all.as_map().clone()));
            let got = match on_devices(text.as_bytes(), true) {
                Ok(value) if !value.is_object() => Err(JsonError::NotAnObject),
                other => other,
            };
            assert_eq!(got, expected, "{text}, each name once");
        }
        assert_eq!(on_devices(b"\"\xFF\"", false), Err(JsonError::Malformed));
    }

    #[test]
    fn numbers_without_arithmetic_of_fractions() {
        for text in [
            "0",
            "-0",
            "0.0",
            "-0.00",
            "0e5",
            "3600",
            "-5",
            "3600.9",
            "-3600.9",
            "0.9",
            "-0.9",
            "36e2",
            "3.6009e3",
            "36000e-1",
            "1e-5",
            "1e300",
            "-1e300",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775808",
            "-9223372036854775809",
            "1e18",
            "1e19",
            "-1e19",
            "18446744073709551615",
            "0.00000000000000000001e20",
            "123456789012345678901234567890e-20",
            "1e-99999999999999999999",
            "922337203685477580.7e1",
            "0e99999999999999999999",
        ] {
            let (Ok(Value::Number(number)), Ok(tree::Value::Number(own))) =
                (serde_json::from_str(text), whole(text.as_bytes(), false))
            else {
                panic!("{text} is a number");
            };
            assert_eq!(own.whole(), whole_number(&number), "{text}");
            assert_eq!(own.is_zero(), is_zero(&number) && !text.starts_with('1'), "{text}");
            assert_eq!(tree::Value::Number(own).as_u64(), number.as_u64(), "{text}");
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
