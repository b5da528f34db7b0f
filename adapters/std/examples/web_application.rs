//! A web application that signs users in: authorization code with PKCE in two legs, the flow kept in the session between them.
//!
//! `AZURE_CLIENT_ID=… AZURE_CLIENT_SECRET=… AZURE_TENANT_ID=… cargo run -p sansal-std --example web_application`, then open
//! `http://localhost:5000/`. The registration must have `http://localhost:5000/callback` as a redirect address (web). A real
//! application has a web framework, HTTPS and a session store in the place of `main` and `serve`.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use sansal_std::sansal::entropy::uuid_v4;
use sansal_std::{
    Account, AuthCodeFlow, AuthorizationRequest, AuthorizationResponse, ConfidentialClient, Error, ResponseMode,
    SystemRandom,
};

const PORT: u16 = 5000;
const REDIRECT_URI: &str = "http://localhost:5000/callback";
const SCOPES: [&str; 1] = ["User.Read"];
const MAX_HEAD: u64 = 16 * 1024;

/// What is known of one browser.
pub(crate) enum Session {
    /// The user is at the server. Taken out when the browser is back: a flow serves once.
    SigningIn(Box<AuthCodeFlow>),
    SignedIn(Account),
}

#[allow(dead_code, reason = "the test includes this file")]
fn main() -> Result<(), Box<dyn StdError>> {
    let client = ConfidentialClient::from_env()?.build()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT))?;
    let mut sessions = HashMap::new();
    println!("http://localhost:{PORT}/");
    for stream in listener.incoming() {
        if let Err(error) = serve(&client, &mut sessions, stream?) {
            eprintln!("{error}");
        }
    }
    Ok(())
}

#[allow(dead_code, reason = "the test includes this file")]
fn serve(
    client: &ConfidentialClient,
    sessions: &mut HashMap<String, Session>,
    mut stream: TcpStream,
) -> Result<(), Box<dyn StdError>> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let (target, cookie) = head(&stream)?;
    let (path, query) = target.split_once('?').unwrap_or((target.as_str(), ""));
    let reply = match path {
        "/" => home(client, sessions.get(&cookie)),
        "/login" => login(client, sessions)?,
        "/callback" => callback(client, sessions, &cookie, query),
        _ => Reply::page(404, "There is no such page."),
    };
    Ok(stream.write_all(reply.0.as_bytes())?)
}

pub(crate) fn home(client: &ConfidentialClient, session: Option<&Session>) -> Reply {
    let Some(Session::SignedIn(account)) = session else { return Reply::page(200, "<a href=\"/login\">Sign in</a>") };
    // For each page anew: the token comes from the cache, or by the refresh token.
    match client.acquire_token_silent(&SCOPES, account) {
        Ok(_) => Reply::page(200, &format!("Signed in as {}.", escaped(account.username().unwrap_or("somebody")))),
        Err(Error::InteractionRequired { .. }) => Reply::page(200, "<a href=\"/login\">Sign in again</a>"),
        Err(error) => Reply::page(503, &escaped(&error.to_string())),
    }
}

/// The first leg.
pub(crate) fn login(client: &ConfidentialClient, sessions: &mut HashMap<String, Session>) -> Result<Reply, Error> {
    // The query, since a form posted from another site does not bring a `SameSite=Lax` cookie.
    let request = AuthorizationRequest::new(&SCOPES, REDIRECT_URI)?.response_mode(Some(ResponseMode::Query));
    let flow = client.initiate_auth_code_flow(&request)?;
    let location = flow.auth_uri().to_string();
    // A new name for each sign-in; a framework makes its own.
    let session = uuid_v4(&mut SystemRandom)?;
    sessions.insert(session.clone(), Session::SigningIn(Box::new(flow)));
    Ok(Reply::redirect(&location, Some(&session)))
}

/// The second leg.
pub(crate) fn callback(
    client: &ConfidentialClient,
    sessions: &mut HashMap<String, Session>,
    cookie: &str,
    query: &str,
) -> Reply {
    let Some(Session::SigningIn(flow)) = sessions.remove(cookie) else {
        return Reply::page(400, "Nobody signs in here. <a href=\"/\">Begin</a>");
    };
    let token = AuthorizationResponse::parse(query)
        .and_then(|response| client.acquire_token_by_auth_code_flow(&flow, response));
    let token = match token {
        Ok(token) => token,
        Err(Error::Refused(refusal)) if refusal.error() == "access_denied" => return Reply::page(403, "You declined."),
        Err(error) => return Reply::page(400, &escaped(&error.to_string())),
    };
    let name = token.id_token_claims().and_then(|claims| claims.text("preferred_username")).map(str::to_owned);
    match client.get_accounts(name.as_deref()).map(|accounts| accounts.into_iter().next()) {
        Ok(Some(account)) => {
            sessions.insert(cookie.to_owned(), Session::SignedIn(account));
            Reply::redirect("/", None)
        }
        _ => Reply::page(500, "Nobody signed in."),
    }
}

pub(crate) struct Reply(pub(crate) String);

impl Reply {
    fn page(status: u16, html: &str) -> Self {
        let body = format!("<!doctype html><title>sansal</title><p>{html}</p>");
        Self(format!(
            "HTTP/1.1 {status} .\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
             Content-Security-Policy: default-src 'none'\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ))
    }

    fn redirect(location: &str, session: Option<&str>) -> Self {
        let cookie = session.map(|id| format!("Set-Cookie: session={id}; HttpOnly; SameSite=Lax; Path=/\r\n"));
        Self(format!(
            "HTTP/1.1 303 See Other\r\nLocation: {location}\r\n{}Content-Length: 0\r\nConnection: close\r\n\r\n",
            cookie.unwrap_or_default()
        ))
    }
}

/// The target of a GET, and the session's cookie.
#[allow(dead_code, reason = "the test includes this file")]
fn head(stream: &TcpStream) -> Result<(String, String), Box<dyn StdError>> {
    let mut lines = BufReader::new(stream.take(MAX_HEAD)).lines();
    let first = lines.next().ok_or("nothing came")??;
    let target = first.strip_prefix("GET ").and_then(|rest| rest.split(' ').next()).ok_or("only GET is known")?;
    let mut session = String::new();
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("cookie")
        {
            let pairs = value.split(';').filter_map(|pair| pair.trim().split_once('='));
            session =
                pairs.into_iter().find(|(name, _)| *name == "session").map(|(_, id)| id.to_owned()).unwrap_or_default();
        }
    }
    Ok((target.to_owned(), session))
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
        out
    })
}
