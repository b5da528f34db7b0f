//! `application/x-www-form-urlencoded`: written for requests, read for redirects (WHATWG URL s5).

use alloc::string::String;
use alloc::vec::Vec;

use crate::limits::MAX_FORM_FIELDS;
use crate::secret::Secret;

/// Writes fields in the given order. Space becomes `+`.
///
/// The result is a secret, and its memory is reserved once: growing would leave copies behind.
pub fn encode<'a>(fields: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Secret {
    let length = |text: &str| text.len().saturating_add(escaped(text).saturating_mul(2));
    let total = fields.clone().map(|(n, v)| length(n).saturating_add(length(v)).saturating_add(2)).sum();
    let mut out = String::with_capacity(total);
    for (name, value) in fields {
        if !out.is_empty() {
            out.push('&');
        }
        push(&mut out, name);
        out.push('=');
        push(&mut out, value);
    }
    Secret::new(out)
}

/// Reads fields in their order. Unreadable escapes are kept as they stand.
///
/// Returns `None` when there are more than [`MAX_FORM_FIELDS`] or one is not UTF-8.
pub fn decode(text: &str) -> Option<Vec<(String, Secret)>> {
    let mut out = Vec::new();
    for field in text.split('&').filter(|field| !field.is_empty()) {
        if out.len() >= MAX_FORM_FIELDS {
            return None;
        }
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        out.push((unescape(name)?, Secret::new(unescape(value)?)));
    }
    Some(out)
}

/// What a byte becomes.
#[expect(clippy::indexing_slicing, reason = "by the compiler, which would not compile a wrong index")]
const KINDS: [Kind; 256] = {
    let (mut kinds, mut byte) = ([Kind::Escaped; 256], 0_u8);
    loop {
        if matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'*') {
            kinds[byte as usize] = Kind::Plain;
        }
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    kinds[b' ' as usize] = Kind::Plus;
    kinds
};

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    /// It stays as it is.
    Plain,
    Plus,
    /// Three bytes.
    Escaped,
}

fn kind(byte: u8) -> Kind {
    KINDS.get(usize::from(byte)).copied().unwrap_or(Kind::Escaped)
}

/// How many bytes become three.
fn escaped(text: &str) -> usize {
    text.bytes().filter(|byte| kind(*byte) == Kind::Escaped).count()
}

fn push(out: &mut String, text: &str) {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or('0');
    let mut rest = text;
    // What stands between two escapes is taken at once.
    while let Some(plain) = rest.bytes().position(|byte| kind(byte) != Kind::Plain) {
        out.push_str(rest.get(..plain).unwrap_or_default());
        let other = rest.get(plain..).and_then(|rest| rest.chars().next()).unwrap_or_default();
        match other {
            ' ' => out.push('+'),
            other => {
                for byte in other.encode_utf8(&mut [0; 4]).bytes() {
                    out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
                }
            }
        }
        rest = rest.get(plain.saturating_add(other.len_utf8())..).unwrap_or_default();
    }
    out.push_str(rest);
}

fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let nibble = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, tail) {
            (b'+', _) => out.push(b' '),
            (b'%', [a, b, after @ ..]) => match (nibble(*a), nibble(*b)) {
                (Some(high), Some(low)) => {
                    out.push((high << 4) | low);
                    rest = after;
                }
                _ => out.push(b'%'),
            },
            (other, _) => out.push(*other),
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let fields = [("client_secret", "s3cret/+ &="), ("scope", "a b"), ("u", "ä~*"), ("empty", "")];
        let text = encode(fields.iter().copied());
        assert_eq!(text.expose(), "client_secret=s3cret%2F%2B+%26%3D&scope=a+b&u=%C3%A4~*&empty=");
        let read = decode(text.expose()).unwrap();
        assert!(read.iter().map(|(n, v)| (n.as_str(), v.expose())).eq(fields));
    }

    #[test]
    fn odd_input() {
        let read = |t: &str| {
            decode(t).map(|f| f.iter().map(|(n, v)| (n.clone(), String::from(v.expose()))).collect::<Vec<_>>())
        };
        assert_eq!(read("a=%zz&b=%4"), Some(Vec::from([("a".into(), "%zz".into()), ("b".into(), "%4".into())])));
        assert_eq!(read("&&a"), Some(Vec::from([("a".into(), String::new())])));
        assert_eq!(read("a=%ff"), None);
        assert_eq!(read(&"a&".repeat(MAX_FORM_FIELDS + 1)), None);
    }
}
