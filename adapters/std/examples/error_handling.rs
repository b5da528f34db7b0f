//! Silent first, then interactive, and what to do about everything that can go wrong on the way: the pattern of MSAL's users.
//!
//! `cargo run -p sansal-std --example error_handling -- APPLICATION_ID SCOPE...` (default scope: `User.Read`). The decisions
//! are in `acquire`; `tests/error_handling.rs` drives each of them with the simulated platform.

use std::error::Error as StdError;
use std::time::Duration;
use std::{env, fmt, thread};

use sansal_std::{
    Account, AskError, AuthorizationRequest, Error, Interactive, ListenError, PublicClient, Token, TokenCacheFile,
};

/// Attempts while the server is busy or away.
pub(crate) const ATTEMPTS: u32 = 4;
/// The first wait; each further one is twice as long, unless the server names a time.
pub(crate) const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Nobody sits before a program that waits longer: then the server's time is told instead.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Why there is no token, for the person before the screen.
#[derive(Debug)]
pub(crate) enum NoToken {
    /// The user, or an administrator, said no (`access_denied`). Do not ask again by yourself.
    Declined,
    /// The user closed the browser, or went away. Offer to try again.
    TimedOut,
    /// The program gave up the sign-in itself.
    Cancelled,
    /// The application's registration or its configuration is wrong: for the developer (`invalid_scope`, `invalid_client` …).
    Misconfigured(Error),
    /// The server is busy or cannot be reached: later, after so many seconds if it said so.
    TryLater(Option<u64>),
    /// Anything else.
    Failed(Error),
}

impl fmt::Display for NoToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declined => f.write_str("You declined; nothing was signed in."),
            Self::TimedOut => f.write_str("The sign-in was not finished in time. Try again?"),
            Self::Cancelled => f.write_str("Cancelled."),
            Self::Misconfigured(why) => write!(f, "This application is not set up rightly: {why}"),
            Self::TryLater(Some(seconds)) => write!(f, "The sign-in service is busy; try again in {seconds} s."),
            Self::TryLater(None) => f.write_str("The sign-in service cannot be reached now; try again later."),
            Self::Failed(why) => why.fmt(f),
        }
    }
}

impl StdError for NoToken {}

/// What is used from outside, so that a test can bring its own.
pub(crate) struct World<'a> {
    /// Listener and browser for one sign-in.
    pub(crate) interactive: &'a dyn Fn() -> Result<Interactive, ListenError>,
    /// Passes time.
    pub(crate) wait: &'a dyn Fn(Duration),
}

/// A token for whoever is signed in, or signs in now.
pub(crate) fn acquire(client: &PublicClient, scopes: &[String], world: &World<'_>) -> Result<Token, NoToken> {
    let account = client.get_accounts(None).map_err(NoToken::Failed)?.into_iter().next();
    let mut claims = None;
    if let Some(account) = &account {
        let silent = || client.acquire_token_silent(scopes, account);
        match with_patience(silent, world) {
            Ok(token) => return Ok(token),
            // A person can help. What the server wants to see goes into the sign-in unchanged.
            Err(Error::InteractionRequired { claims: wanted, .. }) => claims = wanted,
            // The refresh token is dead: the password was changed, the session revoked, the account is gone.
            Err(Error::Refused(refusal)) if refusal.error() == "invalid_grant" => forget(client, account),
            Err(other) => return Err(told(other)),
        }
    }
    let signing_in = || {
        let listening = (world.interactive)();
        let interactive = listening.map_err(|_| Error::Unanswered { ask: "browser", why: AskError::Failed })?;
        let mut request = AuthorizationRequest::new(scopes, &interactive.redirect_uri())?;
        if let Some(name) = account.as_ref().and_then(Account::username) {
            request = request.login_hint(name);
        }
        if let Some(claims) = &claims {
            request = request.claims_challenge(claims);
        }
        client.acquire_token_interactive_with(&interactive, &request)
    };
    with_patience(signing_in, world).map_err(told)
}

/// Tries again while the server is busy or away: after the time it names, or twice as long each time.
fn with_patience(attempt: impl Fn() -> Result<Token, Error>, world: &World<'_>) -> Result<Token, Error> {
    let mut wait = FIRST_WAIT;
    for _ in 1..ATTEMPTS {
        let result = attempt();
        let asked = match &result {
            Err(Error::Throttled { retry_after, .. }) => retry_after.map(Duration::from_secs),
            // The browser brought it (RFC 6749 s4.1.2.1), or nothing came at all.
            Err(Error::Refused(refusal)) if is_busy(refusal.error()) => None,
            Err(error) if error.is_transient() => None,
            _ => return result,
        };
        let span = asked.unwrap_or(wait);
        if span > LONGEST_WAIT {
            return result;
        }
        (world.wait)(span);
        wait = wait.saturating_mul(2);
    }
    attempt()
}

fn is_busy(error: &str) -> bool {
    matches!(error, "server_error" | "temporarily_unavailable")
}

fn forget(client: &PublicClient, account: &Account) {
    // If that cannot be written, the next silent call fails the same way and comes here again.
    if !matches!(client.remove_account(account), Ok(Ok(()))) {
        eprintln!("the account could not be removed from the cache file");
    }
}

fn told(error: Error) -> NoToken {
    match &error {
        Error::Refused(refusal) => match refusal.error() {
            "access_denied" => NoToken::Declined,
            "invalid_scope" | "invalid_client" | "unauthorized_client" | "invalid_request" | "invalid_resource" => {
                NoToken::Misconfigured(error)
            }
            name if is_busy(name) => NoToken::TryLater(None),
            _ => NoToken::Failed(error),
        },
        Error::Config(_) => NoToken::Misconfigured(error),
        Error::Unanswered { why: AskError::TimedOut, .. } => NoToken::TimedOut,
        Error::Unanswered { why: AskError::Cancelled, .. } => NoToken::Cancelled,
        Error::Throttled { retry_after, .. } => NoToken::TryLater(*retry_after),
        error if error.is_transient() => NoToken::TryLater(None),
        _ => NoToken::Failed(error),
    }
}

#[allow(dead_code, reason = "the test includes this file")]
fn main() -> Result<(), Box<dyn StdError>> {
    let mut arguments = env::args().skip(1);
    let client_id = arguments.next().ok_or("usage: error_handling APPLICATION_ID [SCOPE...]")?;
    let mut scopes: Vec<String> = arguments.collect();
    if scopes.is_empty() {
        scopes.push("User.Read".to_owned());
    }
    let cache = TokenCacheFile::open("error_handling.tokens.json")?;
    let client = PublicClient::builder(&client_id).persistence(cache).build()?;
    let world = World {
        interactive: &|| Interactive::bind(None),
        wait: &|span| {
            println!("busy; waiting {} s", span.as_secs());
            thread::sleep(span);
        },
    };
    let token = acquire(&client, &scopes, &world)?;
    println!("a token for {}", token.scope().unwrap_or("what was asked for"));
    Ok(())
}
