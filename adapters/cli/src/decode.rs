//! `sansal decode`: what is in a JWT (RFC 7519), as JSON. Verifies nothing and says so.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use sansal::jose::Compact;
use sansal::json::{self, Members};
use sansal::limits::MAX_RESPONSE;
use sansal_std::Secret;
use serde_json::{Map, Value, json};

use crate::dates::readable;
use crate::failure::Failure;
use crate::{input, output};

/// Claims that are dates (RFC 7519 s4.1, OpenID Connect Core s2).
const DATES: [&str; 5] = ["exp", "nbf", "iat", "auth_time", "updated_at"];

/// What to decode.
#[derive(Args)]
pub(crate) struct Arguments {
    /// A file with the token, or with the JSON that `sansal token --json` prints; - or nothing: standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let text = input::token(&arguments.file)?;
    let decoded = decode(token_in(text.expose().trim()).expose())?;
    output::print_json(&decoded)?;
    let _ = writeln!(io::stderr(), "sansal: not verified: anybody can write such a token");
    Ok(())
}

/// The token itself, or the access token in what `sansal token --json` prints.
pub(crate) fn token_in(text: &str) -> Secret {
    let members = json::parse_object(text.as_bytes(), MAX_RESPONSE).ok();
    let inside = members.as_ref().and_then(|members| members.text("access_token"));
    Secret::from(inside.unwrap_or(text))
}

/// Header, claims and dates of a JWT.
pub(crate) fn decode(token: &str) -> Result<Value, Failure> {
    let token = token.strip_prefix("Bearer ").unwrap_or(token).trim_start();
    let jwt = Compact::parse(token).map_err(Failure::usage)?;
    let header = jwt.decode_header().map_err(Failure::usage)?;
    let claims = jwt.decode_payload().map_err(Failure::usage)?;
    let date = |name: &&str| Some(((*name).to_owned(), Value::from(readable(seconds(claims.get(name)?)?))));
    let dates: Map<String, Value> = DATES.iter().filter_map(date).collect();
    Ok(json!({ "verified": false, "header": object(&header), "claims": object(&claims), "dates": dates }))
}

fn object(members: &Members) -> Value {
    members.as_map().clone().into()
}

/// A NumericDate (RFC 7519 s2), which may have a fraction.
fn seconds(value: &Value) -> Option<u64> {
    let text = value.as_number()?.to_string();
    text.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sansal::base64::url_encode;

    #[test]
    fn tokens() {
        let token = |header: &str, claims: &str| {
            format!("{}.{}.c2ln", url_encode(header.as_bytes()), url_encode(claims.as_bytes()))
        };
        let good = token(r#"{"alg":"RS256"}"#, r#"{"exp":951782400,"nbf":0.5,"iat":"x","sub":"s"}"#);
        let expected = json!({
            "verified": false,
            "header": { "alg": "RS256" },
            "claims": { "exp": 951_782_400, "nbf": 0.5, "iat": "x", "sub": "s" },
            "dates": { "exp": "2000-02-29T00:00:00Z", "nbf": "1970-01-01T00:00:00Z" },
        });
        assert_eq!(decode(&good).unwrap(), expected);
        assert_eq!(decode(&format!("Bearer {good}")).unwrap(), expected);
        for bad in ["", "x", "a.b", "a.b.c", &token("[]", "{}"), &token("{}", "1"), &format!("{good}.x")] {
            assert!(decode(bad).is_err(), "{bad}");
        }
    }
}
