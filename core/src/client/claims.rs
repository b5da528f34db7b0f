//! The `claims` parameter (OpenID Connect Core s5.5): capabilities, a challenge and forwarded claims made into one.

use alloc::string::{String, ToString};

use crate::error::Config;
use crate::json::{self, Map, Value};
use crate::limits::MAX_CLAIMS;

/// Adds what the client can handle to a claims challenge (section 9.1 of the reference).
///
/// Without capabilities the challenge is passed on as it stands: it is the server's, not ours to judge.
///
/// # Errors
/// [`Config::Claims`] when there are capabilities and the challenge is not a JSON object, or its `access_token` is not.
pub fn with_capabilities(capabilities: &[String], challenge: Option<&str>) -> Result<Option<String>, Config> {
    let challenge = challenge.filter(|text| !text.is_empty());
    if capabilities.is_empty() {
        return Ok(challenge.map(ToString::to_string));
    }
    let mut claims = match challenge {
        Some(text) => object(text, "the claims challenge")?,
        None => Map::new(),
    };
    let mut access_token = match claims.remove("access_token") {
        None => Map::new(),
        Some(Value::Object(access_token)) => access_token,
        Some(_) => return Err(Config::Claims("access_token in the claims challenge")),
    };
    access_token.insert("xms_cc".into(), json::object([("values", json::texts(capabilities))]));
    claims.insert("access_token".into(), Value::Object(access_token));
    Ok(Some(Value::Object(claims).to_string()))
}

/// Merges claims that the caller forwards into those of the request: objects deeply, everything else to the forwarded value
/// (section 9.2 of the reference).
///
/// # Errors
/// [`Config::Claims`] when either is not a JSON object; the text itself is never part of the error.
pub fn merge(claims: Option<&str>, forwarded: Option<&str>) -> Result<Option<String>, Config> {
    let Some(forwarded) = forwarded else { return Ok(claims.map(ToString::to_string)) };
    let extra = object(forwarded, "forwarded client claims")?;
    let Some(claims) = claims.filter(|text| !text.is_empty()) else { return Ok(Some(forwarded.to_string())) };
    let mut merged = object(claims, "the claims challenge")?;
    overlay(&mut merged, extra);
    Ok(Some(Value::Object(merged).to_string()))
}

fn object(text: &str, which: &'static str) -> Result<Map, Config> {
    match json::parse(text.as_bytes(), MAX_CLAIMS) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(Config::Claims(which)),
    }
}

/// Recursion is bounded by the depth that `json::parse` lets through.
fn overlay(base: &mut Map, over: Map) {
    for (name, value) in over {
        match (base.get_mut(&name), value) {
            (Some(Value::Object(inner)), Value::Object(more)) => overlay(inner, more),
            (_, value) => {
                base.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities() {
        // Appendix B of the reference
        let cp1 = [String::from("CP1")];
        let cases: &[(&[String], Option<&str>, Result<Option<&str>, ()>)] = &[
            (&cp1, None, Ok(Some(r#"{"access_token":{"xms_cc":{"values":["CP1"]}}}"#))),
            (
                &cp1,
                Some(r#"{"id_token":{"auth_time":null}}"#),
                Ok(Some(r#"{"access_token":{"xms_cc":{"values":["CP1"]}},"id_token":{"auth_time":null}}"#)),
            ),
            (&[], Some("anything"), Ok(Some("anything"))),
            (&[], None, Ok(None)),
            (&cp1, Some("{"), Err(())),
            (&cp1, Some("[]"), Err(())),
            (&cp1, Some(r#"{"access_token":null}"#), Err(())), // G-44
        ];
        for (capabilities, challenge, expected) in cases {
            let got = with_capabilities(capabilities, *challenge).map_err(|_| ());
            assert_eq!(got, expected.map(|e| e.map(String::from)), "{challenge:?}");
        }
    }

    #[test]
    fn forwarded_claims_win() {
        let merged =
            merge(Some(r#"{"access_token":{"x":1,"y":{"z":1}}}"#), Some(r#"{"access_token":{"x":2,"y":{"w":3}}}"#));
        assert_eq!(merged.unwrap().unwrap(), r#"{"access_token":{"x":2,"y":{"w":3,"z":1}}}"#);
        for bad in ["", "null", "[]", "\"x\"", "{", "42"] {
            assert!(merge(None, Some(bad)).is_err(), "{bad:?}");
        }
    }
}
