//! A sign-in without a browser on this machine: the user types a code at another one (RFC 8628).
//!
//! `cargo run -p sansal-std --example device_code -- APPLICATION_ID [SCOPE...]` (default scope: `User.Read`); the application
//! must allow public client flows. Ctrl-C gives up.

use std::env;
use std::error::Error;

use sansal_std::{DeviceFlow, PublicClient, Token, TokenCacheFile};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let client_id = arguments.next().ok_or("usage: device_code APPLICATION_ID [SCOPE...]")?;
    let mut scopes: Vec<String> = arguments.collect();
    if scopes.is_empty() {
        scopes.push("User.Read".to_owned());
    }
    // Who has signed in once is known the next time: the file is plain text, for its owner alone.
    let cache = TokenCacheFile::open("device_code.tokens.json")?;
    let client = PublicClient::builder(&client_id).persistence(cache).build()?;
    let token = acquire(&client, &scopes, |flow| match flow.message() {
        Some(message) => println!("{message}"),
        None => println!("Open {} and type {}", flow.verification_uri(), flow.user_code()),
    })?;
    println!("a token for {}", token.scope().unwrap_or("what was asked for"));
    Ok(())
}

/// Silently if somebody has signed in before; else `show` tells the user where to type which code.
pub(crate) fn acquire(
    client: &PublicClient,
    scopes: &[String],
    show: impl FnOnce(&DeviceFlow),
) -> Result<Token, sansal_std::Error> {
    let known = client.get_accounts(None)?;
    if let Some(Ok(token)) = known.first().map(|account| client.acquire_token_silent(scopes, account)) {
        return Ok(token);
    }
    let mut flow = client.initiate_device_flow(scopes)?;
    show(&flow);
    client.acquire_token_by_device_flow(&mut flow)
}
