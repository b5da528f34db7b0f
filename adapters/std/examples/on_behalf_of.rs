//! A middle tier: it was called with a user's access token, and calls another API for that user (on-behalf-of).
//!
//! `cargo run -p sansal-std --example on_behalf_of -- SCOPE...`, with the incoming access token on standard input and the
//! service's own identity in the environment (`AZURE_CLIENT_ID` and its sisters). A web framework puts the token of its
//! request's `Authorization` there, after it has checked that token.

use std::error::Error as StdError;
use std::{env, io};

use sansal_std::sansal::base64;
use sansal_std::{ConfidentialClient, Error, Token};

/// What the service answers its caller.
pub(crate) enum Answer {
    Token(Token),
    /// 401 with this `WWW-Authenticate`: the user has to do something, and only the caller can ask them.
    Challenge(String),
    /// 503, with `Retry-After` if there is a time.
    Busy(Option<u64>),
}

fn main() -> Result<(), Box<dyn StdError>> {
    let scopes: Vec<String> = env::args().skip(1).collect();
    let mut incoming = String::new();
    io::stdin().read_line(&mut incoming)?;
    // One client for the whole service: it keeps the tokens of each caller apart.
    let service = ConfidentialClient::from_env()?.build()?;
    match downstream(&service, incoming.trim(), &scopes)? {
        Answer::Token(token) => println!("a token for {}", token.scope().unwrap_or("what was asked for")),
        Answer::Challenge(header) => println!("401, WWW-Authenticate: {header}"),
        Answer::Busy(after) => println!("503, Retry-After: {after:?}"),
    }
    Ok(())
}

/// What the service does for its caller: a token for the next API, or what the caller must do first.
pub(crate) fn downstream(service: &ConfidentialClient, incoming: &str, scopes: &[String]) -> Result<Answer, Error> {
    match service.acquire_token_on_behalf_of(incoming, scopes) {
        Ok(token) => Ok(Answer::Token(token)),
        // The claims go through unchanged: the caller signs the user in with them, and comes again.
        Err(Error::InteractionRequired { claims: Some(claims), .. }) => {
            let claims = base64::std_encode(claims.as_bytes());
            Ok(Answer::Challenge(format!(r#"Bearer error="insufficient_claims", claims="{claims}""#)))
        }
        Err(Error::InteractionRequired { .. }) => Ok(Answer::Challenge(r#"Bearer error="invalid_token""#.to_owned())),
        Err(Error::Throttled { retry_after, .. }) => Ok(Answer::Busy(retry_after)),
        Err(other) => Err(other),
    }
}
