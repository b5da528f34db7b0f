//! Waits for the answer to one sign-in: one loop over all clients, none of which can keep it from another.

use std::fmt;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Duration;

use sansal::Secret;
use sansal::authorization::ResponseMode;
use sansal::error::AskError;
use sansal::http::form;
use sansal::time::Millis;
use zeroize::Zeroizing;

use super::cancel::Cancel;
use super::connection::{Connection, PATIENCE, Reply};
use super::judge::{AuthorizationError, Expected, Redirected, check_host, judge};
use super::listener::LoopbackListener;
use super::pages::{Page, Pages};
use super::refusal::Refusal;
use super::request::Request;
use super::response;
use crate::clock::{SystemClock, Time};

/// How long a user may take (G-08).
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);
/// Clients that are served at once; more wait in the operating system's queue.
const MAX_CONNECTIONS: usize = 32;
/// How long the browser may take to fetch the last page, once the answer is there.
const FAREWELL: Millis = Millis(3_000);
/// Where the browser is sent in `query` mode.
const DONE: &str = "/done";
/// The error that the way out of the welcome page brings along, as at MSAL.
const ABORT: &str = "abort";
/// What leads to the welcome page.
pub(super) const WELCOME: &str = "/?welcome=true";
/// Between two looks at the sockets while something happens.
const BUSY: Duration = Duration::from_millis(1);
/// The same while nothing does.
const IDLE: Duration = Duration::from_millis(20);

/// What to wait for and how long. `Debug` leaves the address out: the state is in it.
#[derive(Clone)]
pub struct WaitOptions {
    /// How the answer comes; what the authorization request says in `response_mode`.
    pub response_mode: ResponseMode,
    /// How long the user may take; [`DEFAULT_TIMEOUT`].
    pub timeout: Duration,
    /// What the user sees.
    pub pages: Pages,
    /// Where the [welcome page](Pages::welcome) leads to: the authorization request. Without it there is no such page.
    pub auth_uri: Option<String>,
    /// Ends the wait early.
    pub cancel: Cancel,
}

impl Default for WaitOptions {
    fn default() -> Self {
        Self {
            response_mode: ResponseMode::FormPost,
            timeout: DEFAULT_TIMEOUT,
            pages: Pages::default(),
            auth_uri: None,
            cancel: Cancel::new(),
        }
    }
}

impl fmt::Debug for WaitOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { response_mode, timeout, pages, auth_uri, cancel } = self;
        f.debug_struct("WaitOptions")
            .field("response_mode", response_mode)
            .field("timeout", timeout)
            .field("pages", pages)
            .field("has_auth_uri", &auth_uri.is_some())
            .field("cancel", cancel)
            .finish()
    }
}

impl LoopbackListener {
    /// Waits for the browser to come back with this `state`; the parameters it brought, form-encoded. They may be an
    /// `error`.
    ///
    /// Nothing else ends the wait: other requests get a short error page, clients that send nothing or too much are
    /// let go. In `query` mode the browser is sent on to a page without the code in its address; a redirect, since that
    /// needs no script and leaves nothing in the list of visited pages.
    ///
    /// # Errors
    /// [`AskError::TimedOut`]; [`AskError::Cancelled`] by the handle or by the user on the welcome page.
    pub fn wait(&self, state: &Secret, options: &WaitOptions) -> Result<Secret, AskError> {
        let now = || SystemClock.now().mono;
        let allowed = Millis(u64::try_from(options.timeout.as_millis()).unwrap_or(u64::MAX));
        let begun = now();
        let expected = Expected { port: self.port(), state, mode: options.response_mode };
        let mut desk = Desk { expected, options, found: None };
        let mut connections = Vec::new();
        let mut pause = BUSY;
        loop {
            let now = now();
            let mut busy = self.accept(&mut connections, now);
            for connection in &mut connections {
                busy |= connection.advance(now, |request| desk.reply(request, now));
            }
            connections.retain(|connection| !connection.is_over());
            match &desk.found {
                Some(found) => {
                    let farewell = found.shown && !connections.iter().any(|connection| connection.has_page);
                    if farewell || now.since(found.at) >= FAREWELL || options.cancel.is_cancelled() {
                        return found.outcome.clone();
                    }
                }
                None if now.since(begun) >= allowed => return Err(AskError::TimedOut),
                None => {}
            }
            pause = if busy { BUSY } else { pause.saturating_mul(2).min(IDLE) };
            // The one who gives up does not have to wait for the end of a pause.
            if options.cancel.wait(pause) && desk.found.is_none() {
                return Err(AskError::Cancelled);
            }
        }
    }

    fn accept(&self, connections: &mut Vec<Connection>, now: Millis) -> bool {
        let before = connections.len();
        for listener in [Some(&self.v4), self.v6.as_ref()].into_iter().flatten() {
            while make_room(connections, now) {
                match next(listener, now) {
                    Next::Client(connection) => connections.push(connection),
                    Next::Gone => {}
                    Next::Nobody => break,
                }
            }
        }
        connections.len() != before
    }
}

enum Next {
    Client(Connection),
    Gone,
    Nobody,
}

fn next(listener: &TcpListener, now: Millis) -> Next {
    match listener.accept() {
        Ok((stream, _)) => Connection::new(stream, now).map_or(Next::Gone, Next::Client),
        // A client that left while it was queued says nothing about the next one.
        Err(e)
            if matches!(
                e.kind(),
                ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
            ) =>
        {
            Next::Gone
        }
        // Nobody there, or no more descriptors: both may be different the next time.
        Err(_) => Next::Nobody,
    }
}

/// Whether there is a place; the slowest client gives up its own after a while.
fn make_room(connections: &mut Vec<Connection>, now: Millis) -> bool {
    if connections.len() < MAX_CONNECTIONS {
        return true;
    }
    let slow = connections.iter().enumerate().filter_map(|(at, c)| c.owes_request_since().map(|since| (since, at)));
    match slow.min().filter(|(since, _)| now.since(*since) >= PATIENCE) {
        Some((_, at)) => {
            connections.remove(at);
            true
        }
        None => false,
    }
}

/// Decides about requests and remembers the answer.
struct Desk<'a> {
    expected: Expected<'a>,
    options: &'a WaitOptions,
    found: Option<Found>,
}

struct Found {
    outcome: Result<Secret, AskError>,
    page: Page,
    at: Millis,
    /// Whether a browser has been given the page.
    shown: bool,
}

impl Desk<'_> {
    fn reply(&mut self, request: Result<Request<'_>, Refusal>, now: Millis) -> Reply {
        match request.and_then(|request| self.decide(&request, now)) {
            Ok(reply) => reply,
            Err(refusal) => {
                tracing::debug!(status = refusal.status().0, reason = ?refusal, "not the answer to the sign-in");
                Reply { response: response::refusal(refusal), is_page: false }
            }
        }
    }

    fn decide(&mut self, request: &Request<'_>, now: Millis) -> Result<Reply, Refusal> {
        if let Some(found) = self.found.as_mut().filter(|_| request.path == DONE && request.method == "GET") {
            check_host(request, self.expected.port)?;
            return Ok(found.show());
        }
        if let Some(reply) = self.welcome(request, now)? {
            return Ok(reply);
        }
        let Redirected { parameters, error } = judge(request, self.expected)?;
        let found = match &mut self.found {
            // A form that is sent twice shows its page twice.
            Some(found) if found.outcome.as_ref().is_ok_and(|same| same.matches(parameters.expose())) => found,
            Some(_) => return Err(Refusal::Answered),
            none => {
                tracing::debug!(failed = error.is_some(), "the browser came back");
                let page = self.options.pages.render(error.as_ref());
                none.insert(Found { outcome: Ok(parameters), page, at: now, shown: false })
            }
        };
        Ok(match self.expected.mode {
            ResponseMode::FormPost => found.show(),
            ResponseMode::Query => Reply { response: response::see_other(DONE), is_page: false },
        })
    }

    /// The welcome page, and the way out from it: only who has seen the page knows the state.
    fn welcome(&mut self, request: &Request<'_>, now: Millis) -> Result<Option<Reply>, Refusal> {
        let (Some(auth_uri), Some(query), None) = (&self.options.auth_uri, request.query, &self.found) else {
            return Ok(None);
        };
        if request.method != "GET" || request.path != "/" {
            return Ok(None);
        }
        let fields = form::decode(query).unwrap_or_default();
        let has = |name: &str, value: &str| fields.iter().any(|(field, given)| field == name && given.matches(value));
        let state = self.expected.state.expose();
        if has("welcome", "true") {
            check_host(request, self.expected.port)?;
            let fields = [("error", ABORT), ("state", state)];
            let abort_uri = Zeroizing::new(format!("/?{}", form::encode(fields.into_iter()).expose()));
            let page = self.options.pages.render_welcome(auth_uri, &abort_uri);
            return Ok(page.map(|page| Reply { response: response::page(&page), is_page: false }));
        }
        if !self.options.pages.has_welcome() || !has("error", ABORT) || !has("state", state) {
            return Ok(None);
        }
        check_host(request, self.expected.port)?;
        let error = AuthorizationError { error: ABORT.into(), ..AuthorizationError::default() };
        let page = self.options.pages.render(Some(&error));
        let found = self.found.insert(Found { outcome: Err(AskError::Cancelled), page, at: now, shown: false });
        Ok(Some(found.show()))
    }
}

impl Found {
    fn show(&mut self) -> Reply {
        self.shown = true;
        Reply { response: response::page(&self.page), is_page: true }
    }
}
