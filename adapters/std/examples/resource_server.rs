//! An API: each request brings an access token, and nothing is believed before it has been validated.
//!
//! `cargo run -p sansal-std --example resource_server -- AUTHORITY AUDIENCE SCOPE`, with one `Authorization` header a line on
//! standard input. `AUTHORITY` names the tenant by its id: `https://login.microsoftonline.com/{tenant-id}`.

use std::error::Error as StdError;
use std::{env, io};

use sansal_std::{Error, TokenError, TokenValidator};

/// What the API answers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 200, for this user or application (`oid`, else `sub`).
    Welcome(String),
    /// A status, and what goes into `WWW-Authenticate` (RFC 6750 s3).
    No(u16, &'static str),
}

fn main() -> Result<(), Box<dyn StdError>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [authority, audience, scope] = arguments.as_slice() else {
        return Err("usage: resource_server AUTHORITY AUDIENCE SCOPE".into());
    };
    // One validator for the whole service: it keeps the issuer's keys.
    let validator = TokenValidator::builder(audience).authority(authority).require_scope(scope).build()?;
    for header in io::stdin().lines() {
        println!("{:?}", judge(&validator, &header?));
    }
    Ok(())
}

/// What an API does before anything else.
pub(crate) fn judge(validator: &TokenValidator, authorization: &str) -> Answer {
    match validator.validate_authorization(authorization) {
        Ok(token) => {
            let who = token.claims.text("oid").or_else(|| token.claims.text("sub"));
            Answer::Welcome(who.unwrap_or_default().to_owned())
        }
        // A good token that does not suffice.
        Err(Error::Token(TokenError::Scope | TokenError::Role)) => {
            Answer::No(403, r#"Bearer error="insufficient_scope""#)
        }
        // Which check it was is for our log; callers learn nothing.
        Err(Error::Token(_)) => Answer::No(401, r#"Bearer error="invalid_token""#),
        // Nobody knows whether the token is good: its issuer cannot be asked.
        Err(_) => Answer::No(503, ""),
    }
}
