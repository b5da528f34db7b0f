//! One part of a JWT, decoded as leniently as the reference does (its section 6.1).

use alloc::string::String;
use alloc::vec::Vec;

use crate::base64::lenient_decode;
use crate::error::JwtError;
use crate::json::{self, JsonError, Members};
use crate::limits::MAX_JWT;

/// The bytes of one part: base64 or base64url, with or without padding; foreign ASCII characters are skipped.
///
/// ```
/// # use sansal::jose::decode_part;
/// assert_eq!(decode_part("eyJhIjoxfQ").unwrap(), b"{\"a\":1}");
/// ```
///
/// # Errors
/// [`JwtError::TooLong`] beyond [`MAX_JWT`] bytes; [`JwtError::BadBase64`] for characters that are not ASCII and for
/// lengths that no base64 has.
pub fn decode_part(raw: &str) -> Result<Vec<u8>, JwtError> {
    if raw.len() > MAX_JWT {
        return Err(JwtError::TooLong);
    }
    lenient_decode(raw).ok_or(JwtError::BadBase64)
}

/// [`decode_part`], and the bytes as text.
///
/// # Errors
/// As [`decode_part`], and [`JwtError::BadUtf8`].
pub fn decode_part_text(raw: &str) -> Result<String, JwtError> {
    String::from_utf8(decode_part(raw)?).map_err(|_| JwtError::BadUtf8)
}

/// [`decode_part`], and the bytes as a JSON object.
pub(super) fn decode_part_members(raw: &str) -> Result<Members, JwtError> {
    members(&decode_part(raw)?)
}

/// A JSON object, with errors in the words of JWTs.
pub(super) fn members(bytes: &[u8]) -> Result<Members, JwtError> {
    json::parse_object(bytes, MAX_JWT).map_err(|why| match why {
        JsonError::TooLong => JwtError::TooLong,
        JsonError::TooDeep | JsonError::Malformed if core::str::from_utf8(bytes).is_err() => JwtError::BadUtf8,
        JsonError::TooDeep | JsonError::Malformed | JsonError::Repeated => JwtError::BadJson,
        JsonError::NotAnObject => JwtError::NotAnObject,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn transcripts() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/conformance/transcripts");
        let mut played = 0;
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if !path.file_name().unwrap().to_str().unwrap().starts_with("decode_part__") {
                continue;
            }
            let transcript: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            for step in transcript["steps"].as_array().unwrap() {
                let raw = step["args"]["raw"].as_str().unwrap();
                let as_bytes = step["args"].get("encoding").is_some_and(Value::is_null);
                let expected = &step["result"];
                if step.get("raises").is_some() {
                    assert_eq!(decode_part(raw), Err(JwtError::BadBase64), "{path:?} {raw:?}");
                } else if as_bytes {
                    let hex = crate::base64::hex_encode(&decode_part(raw).unwrap());
                    assert_eq!(hex, expected["$bytes"].as_str().unwrap(), "{path:?}");
                } else {
                    assert_eq!(decode_part_text(raw).as_deref(), Ok(expected.as_str().unwrap()), "{path:?} {raw:?}");
                }
                played += 1;
            }
        }
        assert_eq!(played, 14);
    }

    #[test]
    fn what_is_no_text() {
        assert_eq!(decode_part_text("_w"), Err(JwtError::BadUtf8));
        assert_eq!(decode_part(&"A".repeat(MAX_JWT)).map(|b| b.len()), Ok(MAX_JWT / 4 * 3));
        assert_eq!(decode_part(&"A".repeat(MAX_JWT + 1)), Err(JwtError::TooLong));
    }

    #[test]
    fn objects() {
        let cases: &[(&[u8], Result<usize, JwtError>)] = &[
            (b"{\"a\":1}", Ok(1)),
            (b"[]", Err(JwtError::NotAnObject)),
            (b"hello", Err(JwtError::BadJson)),
            (b"", Err(JwtError::BadJson)),
            (b"{\"\xff\":1}", Err(JwtError::BadUtf8)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(members(bytes).map(|m| m.len()), *expected, "{bytes:?}");
        }
    }
}
