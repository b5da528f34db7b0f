//! What validation looks at in a protected header (RFC 7515 s4.1).

use serde::Deserialize;

use crate::json::{Members, Value};

/// A member of a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "&str")]
pub(crate) enum Member<'a> {
    #[default]
    Absent,
    Text(&'a str),
    /// Something else than a text.
    Other,
}

impl<'a> From<&'a str> for Member<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

/// The members that decide how a token is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Header<'a> {
    #[serde(borrow)]
    pub(crate) alg: Member<'a>,
    #[serde(borrow)]
    pub(crate) typ: Member<'a>,
    #[serde(borrow)]
    pub(crate) kid: Member<'a>,
    /// A thumbprint that says the same as `kid`, as in Entra's tokens of version 1.
    #[serde(borrow)]
    x5t: Member<'a>,
    #[serde(skip)]
    pub(crate) crit: bool,
}

impl<'a> Header<'a> {
    /// Reads a header as issuers write it, without building an object: these members once and without escapes, and no others.
    /// `None`: it has to be read whole.
    pub(crate) fn read(json: &'a [u8]) -> Option<Self> {
        // A struct could be read from an array too.
        json.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(json).ok())?
    }

    /// From a header that was read whole.
    pub(crate) fn of(members: &'a Members) -> Self {
        let member = |name| match members.get(name) {
            None => Member::Absent,
            Some(Value::String(text)) => Member::Text(text),
            Some(_) => Member::Other,
        };
        let [alg, typ, kid, x5t] = ["alg", "typ", "kid", "x5t"].map(member);
        Self { alg, typ, kid, x5t, crit: members.contains("crit") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse_distinct;

    #[test]
    fn what_is_read_at_once_is_what_a_whole_reading_says() {
        for (json, is_plain) in [
            (r#"{"alg":"RS256"}"#, true),
            (r#" {"typ":"JWT", "alg":"RS256","kid":"k" ,"x5t":"k"} "#, true),
            ("{}", true),
            (r#"{"alg":""}"#, true),
            (r#"{"alg":"RS256","typ":null}"#, false),
            (r#"{"alg":"RS256","kid":7}"#, false),
            (r#"{"alg":"RS256","kid":"\u006b"}"#, false),
            (r#"{"alg":"RS256","crit":[]}"#, false),
            (r#"{"alg":"RS256","crit":null}"#, false),
            (r#"{"alg":"RS256","other":{"a":1}}"#, false),
        ] {
            let members = parse_distinct(json.as_bytes(), 1000).unwrap();
            assert_eq!(Header::read(json.as_bytes()).is_some(), is_plain, "{json}");
            assert!(Header::read(json.as_bytes()).is_none_or(|header| header == Header::of(&members)), "{json}");
        }
        for json in [
            r#"{"alg":"RS256","alg":"RS256"}"#,
            r#"{"alg":"a","other":1,"other":1}"#,
            "[]",
            r#"["RS256"]"#,
            "",
            "{}{}",
            "{",
        ] {
            assert_eq!(Header::read(json.as_bytes()), None, "{json}");
        }
        assert!(Header::of(&parse_distinct(br#"{"crit":null}"#, 100).unwrap()).crit);
    }
}
