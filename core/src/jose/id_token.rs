//! ID tokens (OpenID Connect Core s2): their claims, and the reference's validator (its section 6.3).
//!
//! No signature is checked here. Flows check more, and before anything is stored: decision 5 of the design.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use sha2::{Digest, Sha256};

use super::compact::parts;
use super::part::decode_part_members;
use crate::base64::hex_encode;
use crate::error::{IdTokenError, JwtError};
use crate::json::{Members, Value};
use crate::secret::constant_time_eq;
use crate::time::UnixTime;

/// Seconds by which clocks may differ in [`decode_id_token`].
pub const SKEW: u64 = 120;

/// The claims of an ID token, decoded and not validated: the second part is enough, the third may be absent.
///
/// # Errors
/// [`JwtError::NoPayload`] for a single part; otherwise what is wrong with the second one.
pub fn claims(id_token: &str) -> Result<Members, JwtError> {
    decode_part_members(parts(id_token)?.nth(1).ok_or(JwtError::NoPayload)?)
}

/// What [`decode_id_token`] compares the claims with. `None` leaves a check out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expected<'a> {
    /// Must be in `aud`.
    pub client_id: Option<&'a str>,
    /// Must be `iss`, to the letter.
    pub issuer: Option<&'a str>,
    /// Must be `nonce`, to the letter. Flows of this crate send a [hash](hash_nonce) of what they remember.
    pub nonce: Option<&'a str>,
}

/// A fault in time that [`decode_id_token`] reports but does not fail for. Often the own clock is wrong.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeWarning {
    /// `nbf` is more than [`SKEW`] ahead.
    NotYetValid,
    /// `exp` is more than [`SKEW`] past.
    Expired,
}

impl fmt::Display for TimeWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotYetValid => "the ID token is not yet valid; check the clock",
            Self::Expired => "the ID token has expired; check the clock",
        })
    }
}

/// What [`decode_id_token`] found.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct DecodedIdToken {
    /// The claims. Who somebody is: do not log them.
    pub claims: Members,
    /// Faults in time.
    pub warnings: Vec<TimeWarning>,
}

/// Decodes an ID token and checks it as the reference does: `nbf`, `iss`, `aud`, `exp`, `nonce`, in this order.
///
/// # Errors
/// [`IdTokenError::Jwt`] if it cannot be read; [`IdTokenError::Missing`] if a claim needed for a check is absent or of
/// the wrong kind (`exp` is always needed); `Issuer`, `Audience` or `Nonce` for the first that differs. Time alone
/// never fails: see [`TimeWarning`].
pub fn decode_id_token(id_token: &str, expected: &Expected<'_>, now: UnixTime) -> Result<DecodedIdToken, IdTokenError> {
    let claims = claims(id_token)?;
    let mut warnings = Vec::new();
    if claims.contains("nbf") && after(now, SKEW) < date(&claims, "nbf")? {
        warnings.push(TimeWarning::NotYetValid);
    }
    if let Some(issuer) = expected.issuer {
        let got = claims.get("iss").ok_or(IdTokenError::Missing("iss"))?;
        if got.as_str() != Some(issuer) {
            return Err(IdTokenError::issuer(got.as_str().unwrap_or_default()));
        }
    }
    if let Some(client_id) = expected.client_id {
        let fits = match claims.get("aud").ok_or(IdTokenError::Missing("aud"))? {
            Value::Array(audiences) => audiences.iter().any(|audience| audience.as_str() == Some(client_id)),
            audience => audience.as_str() == Some(client_id),
        };
        if !fits {
            return Err(IdTokenError::Audience);
        }
    }
    if after(now, 0) > date(&claims, "exp")? + seconds(SKEW) {
        warnings.push(TimeWarning::Expired);
    }
    if let Some(nonce) = expected.nonce {
        let same = claims.text("nonce").is_some_and(|got| constant_time_eq(got.as_bytes(), nonce.as_bytes()));
        if !same {
            return Err(IdTokenError::Nonce);
        }
    }
    Ok(DecodedIdToken { claims, warnings })
}

/// The nonce that goes to the server for one that is remembered: lower case hex of its SHA-256 (section 6.4).
///
/// ```
/// # use sansal::jose::id_token::hash_nonce;
/// assert_eq!(hash_nonce("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
/// ```
pub fn hash_nonce(raw: &str) -> String {
    hex_encode(&Sha256::digest(raw.as_bytes()))
}

/// A NumericDate (RFC 7519 s2), which may have a fraction.
fn date(claims: &Members, name: &'static str) -> Result<f64, IdTokenError> {
    claims.get(name).and_then(Value::as_f64).ok_or(IdTokenError::Missing(name))
}

fn after(now: UnixTime, skew: u64) -> f64 {
    seconds(now.after(skew).0)
}

/// Exact for 2^53 seconds.
fn seconds(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base64::url_encode;
    use alloc::format;
    use alloc::vec;

    /// Plays one step; gives the claims or the reference's name for the failure.
    fn play(args: &Value, clock: u64) -> Result<Members, &'static str> {
        let expected = Expected {
            client_id: args["client_id"].as_str(),
            issuer: args["issuer"].as_str(),
            nonce: args["nonce"].as_str(),
        };
        let now = UnixTime(args["now"].as_u64().unwrap_or(clock));
        match decode_id_token(args["id_token"].as_str().unwrap(), &expected, now) {
            Ok(decoded) => Ok(decoded.claims),
            Err(IdTokenError::Jwt(JwtError::NoPayload)) => Err("IndexError"),
            Err(IdTokenError::Jwt(JwtError::BadBase64)) => Err("Error"),
            Err(IdTokenError::Jwt(JwtError::BadJson)) => Err("JSONDecodeError"),
            Err(IdTokenError::Missing(_)) => Err("KeyError"),
            Err(IdTokenError::Issuer { .. }) => Err("IdTokenIssuerError"),
            Err(IdTokenError::Audience) => Err("IdTokenAudienceError"),
            Err(IdTokenError::Nonce) => Err("IdTokenNonceError"),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn transcripts() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/conformance/transcripts");
        let mut played = 0;
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if !path.file_name().unwrap().to_str().unwrap().starts_with("id_token__") {
                continue;
            }
            let transcript: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            for step in transcript["steps"].as_array().unwrap() {
                match play(&step["args"], transcript["clock"].as_u64().unwrap()) {
                    Ok(claims) => assert_eq!(Some(claims.as_map()), step["result"].as_object(), "{path:?}"),
                    Err(name) => assert_eq!(step["raises"]["type"], name, "{path:?}"),
                }
                played += 1;
            }
        }
        assert_eq!(played, 25);
    }

    fn token(payload: &str) -> String {
        format!("e30.{}.c2ln", url_encode(payload.as_bytes()))
    }

    #[test]
    fn time_only_warns() {
        use TimeWarning::{Expired, NotYetValid};
        type Found = Result<Vec<TimeWarning>, IdTokenError>;
        // (claims, now, warnings): section 6.3, rows 1 and 4.
        let cases: &[(&str, u64, Found)] = &[
            (r#"{"exp":1000}"#, 1120, Ok(vec![])),
            (r#"{"exp":1000}"#, 1121, Ok(vec![Expired])),
            (r#"{"exp":1000.5}"#, 1121, Ok(vec![Expired])),
            (r#"{"exp":1001.5}"#, 1121, Ok(vec![])),
            (r#"{"exp":5000,"nbf":1120}"#, 1000, Ok(vec![])),
            (r#"{"exp":5000,"nbf":1121}"#, 1000, Ok(vec![NotYetValid])),
            (r#"{"exp":1,"nbf":5000}"#, 1000, Ok(vec![NotYetValid, Expired])),
            (r#"{"exp":-1}"#, 0, Ok(vec![])),
            (r#"{"exp":18446744073709551615,"nbf":0}"#, u64::MAX, Ok(vec![])),
            (r#"{}"#, 0, Err(IdTokenError::Missing("exp"))),
            (r#"{"exp":"1000"}"#, 0, Err(IdTokenError::Missing("exp"))),
            (r#"{"exp":1,"nbf":null}"#, 0, Err(IdTokenError::Missing("nbf"))),
        ];
        for (payload, now, expected) in cases {
            let got = decode_id_token(&token(payload), &Expected::default(), UnixTime(*now));
            assert_eq!(&got.map(|decoded| decoded.warnings), expected, "{payload} at {now}");
        }
    }

    #[test]
    fn first_difference_wins() {
        let all = Expected { client_id: Some("c"), issuer: Some("i"), nonce: Some("n") };
        let cases = [
            (r#"{"aud":"c","iss":"i","nonce":"n","exp":1}"#, None),
            (r#"{"aud":["x","c"],"iss":"i","nonce":"n","exp":1}"#, None),
            (r#"{"aud":"c","nonce":"n","exp":1}"#, Some(IdTokenError::Missing("iss"))),
            (r#"{"iss":"x"}"#, Some(IdTokenError::Issuer { got: String::from("x") })),
            (r#"{"iss":7}"#, Some(IdTokenError::Issuer { got: String::new() })),
            (r#"{"iss":"i"}"#, Some(IdTokenError::Missing("aud"))),
            (r#"{"iss":"i","aud":"C"}"#, Some(IdTokenError::Audience)),
            (r#"{"iss":"i","aud":[["c"]]}"#, Some(IdTokenError::Audience)),
            (r#"{"iss":"i","aud":{"c":1}}"#, Some(IdTokenError::Audience)),
            (r#"{"iss":"i","aud":"c"}"#, Some(IdTokenError::Missing("exp"))),
            (r#"{"iss":"i","aud":"c","exp":1}"#, Some(IdTokenError::Nonce)),
            (r#"{"iss":"i","aud":"c","exp":1,"nonce":"m"}"#, Some(IdTokenError::Nonce)),
        ];
        for (payload, expected) in cases {
            assert_eq!(decode_id_token(&token(payload), &all, UnixTime(1)).err(), expected, "{payload}");
        }
    }

    #[test]
    fn debug_shows_no_claim() {
        let decoded = decode_id_token(&token(r#"{"exp":1,"name":"planted"}"#), &Expected::default(), UnixTime(0));
        assert!(!format!("{:?}", decoded.unwrap()).contains("planted"));
    }
}
