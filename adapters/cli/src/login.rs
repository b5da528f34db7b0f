//! `sansal login`: signs a person in, in this machine's browser (RFC 8252) or at another device (RFC 8628).

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::{Args, ValueEnum};
use sansal_std::sansal::error::AskError;
use sansal_std::sansal::{Account, AuthorizationRequest, DeviceCode, DeviceFlow, Prompt};
use sansal_std::{
    AddressToOpen, Cancel, Environment, Error, Interactive, NoBrowser, OpenBrowser, PublicClient, SystemClock, Time,
    Token,
};
use serde_json::{Value, json};

use crate::accounts::shown;
use crate::application::{Application, Chosen, Network, Talk, claims};
use crate::failure::Failure;
use crate::known::{Cache, name, not_written};
use crate::waiting::Countdown;
use crate::{output, qr};

pub(crate) const NOTES: &str = "\
The application must be registered as a public client, with http://localhost as a redirect address, or for device code. \
Without --client-id AZURE_CLIENT_ID is used; without an authority AZURE_AUTHORITY, or AZURE_TENANT_ID and \
AZURE_AUTHORITY_HOST, else whatever tenant the user belongs to.

Tokens are kept in a file that only its owner can read: --cache, SANSAL_CACHE, or sansal/tokens.json in the user's data \
folder ($XDG_DATA_HOME or ~/.local/share, ~/Library/Application Support, %LOCALAPPDATA%). It is MSAL's JSON, in plain \
text: other MSALs can share it.

Exit codes: 0 done; 1 refused, or declined by the user; 2 command or configuration; 3 unreachable or not trusted; \
4 throttled; 5 bad answer; 6 this machine; 7 nobody finished the sign-in in time.";

/// Whom to sign in, where and for what.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    application: Application,
    /// What tokens shall be for, such as User.Read. Without any it is a sign-in alone.
    #[arg(long, value_name = "SCOPE", num_args = 1..)]
    scope: Vec<String>,
    /// Sign in at another device, with a code that is shown here.
    #[arg(long)]
    device_code: bool,
    /// Draw the address of the device code sign-in for the camera of a phone.
    #[arg(long, value_name = "WHEN", default_value = "auto", requires = "device_code")]
    qr: When,
    /// Who is expected to sign in: a user's name.
    #[arg(long, value_name = "NAME", conflicts_with = "device_code")]
    login_hint: Option<String>,
    /// What the server shall ask for, whoever is signed in there already.
    #[arg(long, value_name = "WHAT", conflicts_with = "device_code", value_parser = prompt)]
    prompt: Option<Prompt>,
    /// The loopback port at which the browser comes back; by default any.
    #[arg(long, value_name = "PORT", conflicts_with = "device_code")]
    port: Option<u16>,
    /// Start no browser: print the address, to be opened by hand.
    #[arg(long, conflicts_with = "device_code")]
    no_browser: bool,
    /// Seconds that the user may take in the browser.
    #[arg(long, value_name = "SECONDS", default_value = "300", conflicts_with = "device_code", value_parser = clap::value_parser!(u64).range(1..))]
    patience: u64,
    /// A claims challenge of the resource, a JSON object.
    #[arg(long, value_name = "JSON", value_parser = claims)]
    claims: Option<String>,
    #[command(flatten)]
    cache: Cache,
    #[command(flatten)]
    network: Network,
    #[command(flatten)]
    talk: Talk,
}

/// When something is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum When {
    /// At a terminal.
    Auto,
    Always,
    Never,
}

fn prompt(text: &str) -> Result<Prompt, String> {
    Prompt::parse(text).ok_or_else(|| format!("one of {}", Prompt::ALL.map(Prompt::as_str).join(", ")))
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    arguments.talk.begin();
    let environment = Environment::from_process()?;
    let authority = arguments.application.authority(&environment)?.unwrap_or_else(Chosen::common);
    let (known, damaged) = arguments.cache.open()?;
    if let Some(damaged) = damaged {
        output::note(&damaged);
    }
    let path = known.path().map(PathBuf::from).unwrap_or_default().display().to_string();
    let client_id = arguments.application.client_id(&environment, &known)?;
    let client =
        arguments.application.public(&client_id, &authority, &arguments.network, &arguments.talk, known)?.build()?;
    let token = if arguments.device_code { by_device(&client, arguments)? } else { by_browser(&client, arguments)? };
    token.stored().map_err(|_| not_written(&path, "the sign-in is lost"))?;
    let account = whose(&client, &token)?;
    if arguments.talk.json {
        let account = account.as_ref().map(shown);
        let shown = json!({
            "account": account,
            "client_id": client_id,
            "authority": client.client().authority().as_str(),
            "scope": token.scope(),
            "expires_on": token.expires_on().0,
            "cache": path,
        });
        return output::print_json(&shown);
    }
    let who = account.as_ref().map_or("somebody without a name", name);
    output::print(&output::one_line(&format!("{who} is signed in")))
}

fn by_browser(client: &PublicClient, arguments: &Arguments) -> Result<Token, Failure> {
    let interactive = Interactive::bind(arguments.port).map_err(Failure::local)?;
    let patience = Duration::from_secs(arguments.patience);
    let mut request = AuthorizationRequest::new(&arguments.scope, &interactive.redirect_uri())?;
    if let Some(hint) = &arguments.login_hint {
        request = request.login_hint(hint);
    }
    if let Some(prompt) = arguments.prompt {
        request = request.prompt(&[prompt]);
    }
    if let Some(claims) = &arguments.claims {
        request = request.claims_challenge(claims);
    }
    let (asked, seen) = (arguments.no_browser, io::stderr().is_terminal());
    let unseen: Arc<Mutex<Option<NoBrowser>>> = Arc::default();
    let cancel = Cancel::new();
    let (giving_up, missing) = (cancel.clone(), unseen.clone());
    let (counting, count) = waiting("waiting for the browser", arguments.patience);
    let mut interactive = interactive
        .timeout(patience)
        .cancel(cancel)
        .on_before_launching_ui(move || {
            if !asked {
                output::note("opening the browser; sign in there (--no-browser shows the address instead)");
            }
            counting();
        })
        .show_address(move |address| {
            if asked || seen {
                output::note(&by_hand(address, asked));
            } else {
                *missing.lock().unwrap_or_else(PoisonError::into_inner) = Some(address.why);
                giving_up.cancel();
            }
        });
    if arguments.no_browser {
        interactive = interactive.browser(Nothing);
    }
    let token = client.acquire_token_interactive_with(&interactive, &request);
    drop(count);
    let unseen = *unseen.lock().unwrap_or_else(PoisonError::into_inner);
    token.map_err(|error| match (error, unseen) {
        (Error::Unanswered { why: AskError::Cancelled, .. }, Some(why)) => Failure::usage(format_args!(
            "no browser ({why}), and standard error is no terminal: use --device-code, or --no-browser to print the address"
        )),
        (Error::Unanswered { ask: "browser", why: AskError::TimedOut }, _) => {
            Failure::person(format_args!("nobody finished the sign-in in the browser within {} s", arguments.patience))
        }
        (error, _) => error.into(),
    })
}

/// What begins a countdown, once, and what ends it when it is dropped.
fn waiting(what: &'static str, seconds: u64) -> (impl Fn() + Send + Sync, Arc<Mutex<Option<Countdown>>>) {
    let count = Arc::new(Mutex::new(None));
    let begun = count.clone();
    let begin = move || {
        *begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(Countdown::begin(what, seconds));
    };
    (begin, count)
}

fn by_hand(address: &AddressToOpen<'_>, asked: bool) -> String {
    let AddressToOpen { url, port, why, .. } = address;
    let reason = if asked { String::new() } else { format!(" ({why})") };
    format!(
        "to sign in, open this address in a browser{reason}:\n\n{url}\n\n\
         On another machine the way back is: ssh -L {port}:localhost:{port}"
    )
}

/// No browser: the user opens the address by hand.
struct Nothing;

impl OpenBrowser for Nothing {
    fn open(&self, _: &str) -> Result<(), NoBrowser> {
        Err(NoBrowser::NotStarted)
    }
}

fn by_device(client: &PublicClient, arguments: &Arguments) -> Result<Token, Failure> {
    let mut request = DeviceCode::new(&arguments.scope)?;
    if let Some(claims) = &arguments.claims {
        request = request.claims_challenge(claims);
    }
    let mut flow = client.initiate_device_flow_with(&request)?;
    output::note(&code(&flow));
    let seen = io::stderr().is_terminal();
    if arguments.qr == When::Always || arguments.qr == When::Auto && seen {
        let address = flow.verification_uri_complete().unwrap_or(flow.verification_uri());
        if let Some(drawing) = qr::draw(address, seen && output::wants_colour()) {
            output::drawing(&drawing);
        }
    }
    let count = Countdown::begin("waiting for the sign-in", flow.left(SystemClock.now()));
    let token = client.acquire_token_by_device_flow(&mut flow);
    drop(count);
    Ok(token?)
}

/// The same words whatever the server's own are: those may be in any language, and have no code in them at some.
fn code(flow: &DeviceFlow) -> String {
    let (address, code) = (output::one_line(flow.verification_uri()), output::one_line(flow.user_code()));
    format!("to sign in, open {address} on any device and enter the code {code}")
}

/// The account that the token is of.
fn whose(client: &PublicClient, token: &Token) -> Result<Option<Account>, Failure> {
    let accounts = client.get_accounts(None)?;
    let claims = token.id_token_claims();
    let claim = |name: &str| claims.and_then(|claims| claims.get(name)).and_then(Value::as_str);
    let ids = [claim("oid"), claim("sub")];
    let own = |account: &&Account| account.local_account_id().is_some_and(|id| ids.contains(&Some(id)));
    Ok(accounts.iter().find(own).cloned())
}
