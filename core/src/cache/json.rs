//! The cache as a file: MSAL's unified schema in JSON. What is not understood is kept as it stands.

use alloc::vec::Vec;
use core::fmt::{self, Write};

use zeroize::Zeroizing;

use super::content::Content;
use super::entry::Entry;
use super::file;
use super::{Body, TokenCache};
use crate::error::{Error, What};
use crate::json::{JsonError, Value, check_depth};
use crate::limits::MAX_CACHE;
use crate::token;

impl TokenCache {
    /// Reads a cache as MSAL wrote it. No bytes at all are an empty cache.
    ///
    /// Entries without what their kind needs are kept, but never found.
    ///
    /// # Errors
    /// [`Error::BadResponse`] when the text is longer than [`MAX_CACHE`], nested too deeply, not JSON, or not an object.
    pub fn from_json(text: &[u8]) -> Result<Self, Error> {
        let bad = |why| Error::BadResponse { what: What::TokenCache, at: token::reason(why) };
        if text.is_empty() {
            return Ok(Self::new());
        }
        if text.len() > MAX_CACHE {
            return Err(bad(JsonError::TooLong));
        }
        check_depth(text).map_err(bad)?;
        Ok(Self { sections: file::read(text).map_err(bad)?, changed: false })
    }

    /// Writes the cache, in one buffer that is zeroed when it is dropped. What was not changed says the same as before,
    /// sections and members of other libraries included; only white space and the order of members are ours.
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        written(|out| {
            write_object(out, self.sections.iter(), |out, body| match body {
                Body::Foreign(value) => write!(out, "{value}"),
                Body::Entries(section) => write_object(out, section.iter(), |out, content| match content {
                    Content::Entry(entry) => write_entry(out, entry),
                    Content::Foreign(value) => write!(out, "{value}"),
                }),
            })
        })
    }
}

pub(super) fn entry_to_json(entry: &Entry) -> Zeroizing<Vec<u8>> {
    written(|out| write_entry(out, entry))
}

fn write_entry(out: &mut dyn Write, entry: &Entry) -> fmt::Result {
    write_object(out, entry.members(), |out, value| write!(out, "{value}"))
}

fn write_object<N: AsRef<str>, V>(
    out: &mut dyn Write,
    members: impl Iterator<Item = (N, V)>,
    mut each: impl FnMut(&mut dyn Write, V) -> fmt::Result,
) -> fmt::Result {
    let mut between = '{';
    for (name, value) in members {
        write!(out, "{between}{}:", Value::from(name.as_ref()))?;
        each(out, value)?;
        between = ',';
    }
    out.write_str(if between == '{' { "{}" } else { "}" })
}

/// A sink that only counts.
struct Count(usize);

impl Write for Count {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.saturating_add(text.len());
        Ok(())
    }
}

/// How long a value is when it is written.
pub(super) fn length(value: &Value) -> usize {
    let mut count = Count(0);
    // The sink does not fail. A number alone, since whatever writes any value is large.
    let _ = match value {
        Value::Number(number) => write!(count, "{number}"),
        Value::Bool(flag) => write!(count, "{flag}"),
        Value::Null => write!(count, "null"),
        _ => write!(count, "{value}"),
    };
    count.0
}

/// Writes twice: to count, then into memory of that size. A buffer that grows would leave tokens behind.
fn written(write: impl Fn(&mut dyn Write) -> fmt::Result) -> Zeroizing<Vec<u8>> {
    struct Buffer(Zeroizing<Vec<u8>>);
    impl Write for Buffer {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.extend_from_slice(text.as_bytes());
            Ok(())
        }
    }
    let mut count = Count(0);
    // Neither of the two sinks fails.
    let _ = write(&mut count);
    let mut buffer = Buffer(Zeroizing::new(Vec::with_capacity(count.0)));
    let _ = write(&mut buffer);
    buffer.0
}

#[cfg(test)]
mod tests {
    use super::super::entry::Kind;
    use super::*;
    use crate::time::UnixTime;
    use alloc::format;
    use alloc::string::String;

    fn read(text: &str) -> Result<TokenCache, &'static str> {
        TokenCache::from_json(text.as_bytes()).map_err(|error| match error {
            Error::BadResponse { what: What::TokenCache, at } => at,
            _ => "another error",
        })
    }

    #[test]
    fn files() {
        let deep = format!("{{\"a\":{}", "[".repeat(40));
        let cases: &[(&str, Result<&str, &str>)] = &[
            ("", Ok("{}")),
            ("{}", Ok("{}")),
            (" {\n} ", Ok("{}")),
            ("[]", Err("not a JSON object")),
            ("null", Err("not a JSON object")),
            ("\"x\"", Err("not a JSON object")),
            ("not json", Err("not JSON")),
            ("{", Err("not JSON")),
            ("{}{}", Err("not JSON")),
            (r#"{"AccessToken":{"k":}}"#, Err("not JSON")),
            (r#"{"AccessToken":{7:{}}}"#, Err("not JSON")),
            ("\u{feff}{}", Err("not JSON")),
            (&deep, Err("nested too deeply")),
        ];
        for (text, expected) in cases {
            let got = read(text).map(|cache| String::from_utf8(cache.to_json().to_vec()).unwrap());
            assert_eq!(got.as_deref().map_err(|at| *at), *expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_survives() {
        // Order of sections and members is ours, so these are written in it; order of entries is the file's.
        for text in [
            r#"{"AccessToken":7,"Account":null,"AppMetadata":"x","IdToken":[{"a":1}],"RefreshToken":true,"Z":-2.5}"#,
            r#"{"AccessToken":{"z":{"a":1},"a":[1,{"b":2}],"m":null,"k":"x"},"Unknown":{"k":{"v":1}}}"#,
            r#"{"AccessToken":{"k":{"cached_at":"1","expires_on":1700003600,"n":18446744073709551615,"x":{"y":[]}}}}"#,
            // Read to the nearest double; what is read less exactly changes with every time it is written.
            #[cfg(feature = "floats")]
            r#"{"Unknown":[3.3333133333333334e+31,1.7976931348623157e+308,5e-324]}"#,
            r#"{"":{"":{"":""}},"\u0001\"\\":{"\n":{"\t":"\u001f\u2028"}}}"#,
        ] {
            let written = read(text).unwrap().to_json();
            let same = text.replace("\\u2028", "\u{2028}");
            assert_eq!(core::str::from_utf8(&written), Ok(same.as_str()));
        }
    }

    #[test]
    fn a_key_that_is_there_twice() {
        // As in every other JSON parser, the last one stands; in MSAL's map it keeps the place of the first.
        let cache = read(r#"{"Account":{"x":{"n":0}},"Account":{"a":{"n":1},"b":{"n":2},"a":{"n":3}}}"#).unwrap();
        assert_eq!(cache.to_json().as_slice(), br#"{"Account":{"a":{"n":3},"b":{"n":2}}}"#);
        assert_eq!(cache.search(Kind::Account, &[], &[], UnixTime(0)).count(), 2);
    }
}
