//! The compact serialization of a JWS (RFC 7515 s3.1), split but not verified.

use alloc::vec::Vec;
use core::fmt;

use super::part::members;
use crate::base64::{is_base64url, url_decode_by_table};
use crate::error::JwtError;
use crate::json::Members;
use crate::limits::MAX_JWT;
use crate::text;
#[cfg(feature = "validate")]
use {
    crate::error::TokenError,
    crate::json::{self, JsonError},
    zeroize::Zeroizing,
};

/// A JWS in compact form: three base64url parts. Nothing here says that its signature is right.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Compact<'a> {
    /// The protected header, encoded.
    pub header: &'a str,
    /// The payload, encoded. May be empty.
    pub payload: &'a str,
    /// The signature, encoded. Empty for `alg` `none`.
    pub signature: &'a str,
    signing_input: &'a str,
}

impl<'a> Compact<'a> {
    /// Splits a JWS of at most [`MAX_JWT`] bytes into exactly three parts of base64url.
    ///
    /// # Errors
    /// [`JwtError::TooLong`], [`JwtError::NotThreeParts`], or [`JwtError::BadBase64`] for a character outside of the
    /// alphabet and a length that no base64 has.
    pub fn parse(jws: &'a str) -> Result<Self, JwtError> {
        let split = Self::split(jws)?;
        let Self { header, payload, signature, .. } = split;
        if header.is_empty() || ![header, payload, signature].into_iter().all(is_base64url) {
            return Err(if payload.contains('.') { JwtError::NotThreeParts } else { JwtError::BadBase64 });
        }
        Ok(split)
    }

    /// As [`parse`](Self::parse), but that the alphabet was not looked at: a part that is decoded tells by itself.
    pub(crate) fn split(jws: &'a str) -> Result<Self, JwtError> {
        if jws.len() > MAX_JWT {
            return Err(JwtError::TooLong);
        }
        // From both ends: what lies between need not be searched, since a dot is no character of base64url.
        let parts = jws.split_once('.').and_then(|(header, rest)| Some((header, rest.rsplit_once('.')?)));
        let (header, (payload, signature)) = parts.ok_or(JwtError::NotThreeParts)?;
        let signing_input = jws.get(..jws.len().saturating_sub(signature.len()).saturating_sub(1)).unwrap_or_default();
        Ok(Self { header, payload, signature, signing_input })
    }

    /// The header's bytes.
    #[cfg(feature = "validate")]
    pub(crate) fn header_bytes(&self) -> Result<Vec<u8>, JwtError> {
        decode(self.header)
    }

    /// The header's members.
    ///
    /// # Errors
    /// [`JwtError`] says what is wrong with the part.
    pub fn decode_header(&self) -> Result<Members, JwtError> {
        members(&decode(self.header)?)
    }

    /// The payload's members: the claims of a JWT (RFC 7519 s4).
    ///
    /// # Errors
    /// [`JwtError`] says what is wrong with the part.
    pub fn decode_payload(&self) -> Result<Members, JwtError> {
        members(&decode(self.payload)?)
    }

    /// The members of one part, where none stands twice in an object (RFC 7515 s4, RFC 7519 s4).
    #[cfg(feature = "validate")]
    pub(crate) fn decode_distinct(part: &str) -> Result<Members, TokenError> {
        let bytes = Zeroizing::new(decode(part)?);
        json::parse_distinct(&bytes, MAX_JWT).map_err(|why| match why {
            JsonError::Repeated => TokenError::Duplicate,
            JsonError::TooLong => JwtError::TooLong.into(),
            JsonError::NotAnObject => JwtError::NotAnObject.into(),
            JsonError::Malformed | JsonError::TooDeep if core::str::from_utf8(&bytes).is_err() => {
                JwtError::BadUtf8.into()
            }
            JsonError::Malformed | JsonError::TooDeep => JwtError::BadJson.into(),
        })
    }

    /// The signature's bytes.
    ///
    /// # Errors
    /// [`JwtError::BadBase64`] if bits are left over.
    pub fn decode_signature(&self) -> Result<Vec<u8>, JwtError> {
        decode(self.signature)
    }

    /// What the signature is over (RFC 7515 s5.2): the first two parts as they came, and the dot between them.
    pub fn signing_input(&self) -> &'a str {
        self.signing_input
    }
}

/// A token is a secret; its parts are too.
impl fmt::Debug for Compact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Compact(..)")
    }
}

/// The dot-separated parts, however many. But for [`Compact::split`], the only place that splits a token.
pub(super) fn parts(token: &str) -> Result<impl Iterator<Item = &str>, JwtError> {
    match token.len() <= MAX_JWT {
        true => Ok(text::parts(token, b'.')),
        false => Err(JwtError::TooLong),
    }
}

fn decode(part: &str) -> Result<Vec<u8>, JwtError> {
    url_decode_by_table(part).ok_or(JwtError::BadBase64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn parts_are_three() {
        let longest = format!("e30.{}.", "A".repeat(MAX_JWT - 5));
        let too_long = format!("{longest}A");
        let cases: &[(&str, Result<[&str; 3], JwtError>)] = &[
            ("e30.e30.c2ln", Ok(["e30", "e30", "c2ln"])),
            ("e30..", Ok(["e30", "", ""])), // detached content (RFC 7515 F), `alg` `none`
            (&longest, Ok(["e30", &longest[4..MAX_JWT - 1], ""])),
            (&too_long, Err(JwtError::TooLong)),
            ("", Err(JwtError::NotThreeParts)),
            ("e30.e30", Err(JwtError::NotThreeParts)),
            ("e30.e30.c2ln.", Err(JwtError::NotThreeParts)),
            ("e30.a.b.c.d", Err(JwtError::NotThreeParts)), // a JWE (RFC 7516 s3.1)
            (".e30.c2ln", Err(JwtError::BadBase64)),
            ("e30=.e30.c2ln", Err(JwtError::BadBase64)),
            ("e30.e30.c2 n", Err(JwtError::BadBase64)),
            ("e30.e+0.c2ln", Err(JwtError::BadBase64)),
            ("e30.e30.c2lnc", Err(JwtError::BadBase64)),
            ("é.e30.c2ln", Err(JwtError::BadBase64)),
        ];
        for (text, expected) in cases {
            assert_eq!(Compact::parse(text).map(|c| [c.header, c.payload, c.signature]), *expected, "{text:?}");
        }
    }

    #[test]
    fn members_of_rfc_7515() {
        // RFC 7515 A.1.
        let jws = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                   eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
                   dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let compact = Compact::parse(jws).unwrap();
        assert_eq!(compact.decode_header().unwrap().text("alg"), Some("HS256"));
        assert_eq!(compact.decode_payload().unwrap().text("iss"), Some("joe"));
        assert_eq!(compact.decode_signature().unwrap()[..3], [116, 24, 223]);
        assert_eq!(compact.signing_input(), &jws[..jws.len() - 44]);
        assert_eq!(format!("{compact:?}"), "Compact(..)");
    }
}
