//! An API wants to see more in a token than is there: 401 with a claims challenge, and how to satisfy it.
//!
//! `cargo run -p sansal-std --example claims_challenge -- APPLICATION_ID SCOPE HTTPS-URL`. The client says `CP1`, so that
//! resources with continuous access evaluation send it challenges instead of refusing it for good.

use std::env;
use std::error::Error as StdError;

use sansal_std::{Account, AuthorizationRequest, Error, Interactive, PublicClient, Silent, Token, claims_challenge};

fn main() -> Result<(), Box<dyn StdError>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [client_id, scope, url] = arguments.as_slice() else {
        return Err("usage: claims_challenge APPLICATION_ID SCOPE HTTPS-URL".into());
    };
    let scopes = [scope];
    let client = PublicClient::builder(client_id).client_capabilities(&["CP1"]).build()?;
    let token = client.acquire_token_interactive(&scopes)?;
    let account = client.get_accounts(None)?.into_iter().next().ok_or("nobody signed in")?;
    let (mut status, challenge) = call(url, &token)?;
    // Once: a resource that is not content then will not be the next time either.
    if let Some(claims) = challenge.as_deref().and_then(claims_challenge) {
        let token = satisfy(&client, &scopes, &account, &claims)?;
        status = call(url, &token)?.0;
    }
    println!("HTTP {status}");
    Ok(())
}

/// Without asking anybody, if the server is content with that; else the user signs in, with the same claims.
pub(crate) fn satisfy(
    client: &PublicClient,
    scopes: &[&String],
    account: &Account,
    claims: &str,
) -> Result<Token, Box<dyn StdError>> {
    let request = Silent::new(account, scopes)?.claims_challenge(claims);
    match client.acquire_token_silent_with(&request) {
        Ok(token) => Ok(token),
        Err(Error::InteractionRequired { claims: further, .. }) => {
            let interactive = Interactive::bind(None)?;
            let request = AuthorizationRequest::new(scopes, &interactive.redirect_uri())?
                .claims_challenge(further.as_deref().unwrap_or(claims))
                .login_hint(account.username().unwrap_or_default());
            Ok(client.acquire_token_interactive_with(&interactive, &request)?)
        }
        Err(other) => Err(other.into()),
    }
}

/// Status and `WWW-Authenticate` of a call with the token.
fn call(url: &str, token: &Token) -> Result<(u16, Option<String>), Box<dyn StdError>> {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).https_only(true).build().new_agent();
    let authorization = format!("{} {}", token.token_type(), token.access_token());
    let response = agent.get(url).header("Authorization", authorization).call()?;
    let challenge = response.headers().get("WWW-Authenticate").and_then(|value| value.to_str().ok());
    Ok((response.status().as_u16(), challenge.map(str::to_owned)))
}
