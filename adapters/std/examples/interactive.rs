//! Signs a user in: silently if they are known, else in their browser. A text of one's own ends the sign-in there.
//!
//! `cargo run -p sansal-std --example interactive -- APPLICATION_ID SCOPE...` (default scope: `User.Read`); the
//! application must have `http://localhost` among its redirect addresses (mobile and desktop).

use std::env;
use std::error::Error;
use std::time::Duration;

use sansal_std::{AuthorizationRequest, Interactive, Pages, Prompt, PublicClient, Token};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let client_id = arguments.next().ok_or("usage: interactive APPLICATION_ID [SCOPE...]")?;
    let mut scopes: Vec<String> = arguments.collect();
    if scopes.is_empty() {
        scopes.push("User.Read".to_owned());
    }
    let client = PublicClient::builder(&client_id).build()?;
    let token = acquire(&client, &scopes)?;
    let user = token.id_token_claims().and_then(|claims| claims.text("preferred_username")).unwrap_or("somebody");
    println!("{user} is signed in; the token is for {}", token.scope().unwrap_or("what was asked for"));
    Ok(())
}

/// Silent first: a user who is known does not see a browser.
fn acquire(client: &PublicClient, scopes: &[String]) -> Result<Token, Box<dyn Error>> {
    if let Some(account) = client.get_accounts(None)?.first()
        && let Ok(token) = client.acquire_token_silent(scopes, account)
    {
        return Ok(token);
    }
    let interactive = Interactive::bind(None)?
        .timeout(Duration::from_secs(120))
        .pages(Pages::default().success("You are signed in. Close this tab and go back to the terminal."));
    let request = AuthorizationRequest::new(scopes, &interactive.redirect_uri())?.prompt(&[Prompt::SelectAccount]);
    Ok(client.acquire_token_interactive_with(&interactive, &request)?)
}
