//! The browser's half of an interactive sign-in (RFC 8252): opens the authorization request, waits on loopback for the answer.

mod browser;
mod cancel;
mod connection;
mod judge;
mod listener;
mod pages;
mod refusal;
mod request;
mod response;
mod wait;

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sansal::authorization::ResponseMode;
use sansal::error::AskError;
use sansal::http::form;
use sansal::{Endpoint, Secret};

pub use browser::{NoBrowser, OpenBrowser, SystemBrowser};
pub use cancel::Cancel;
pub use listener::{ListenError, LoopbackListener};
pub use pages::Pages;
pub use wait::{DEFAULT_TIMEOUT, WaitOptions};

#[cfg(feature = "fuzzing")]
pub(crate) use judge::{Expected, judge};
#[cfg(feature = "fuzzing")]
pub(crate) use request::{MAX_BODY, MAX_HEAD, Reading, read};

use crate::asks::Asks;

/// Tells the user to open an address by hand.
pub type ShowAddress = dyn Fn(&AddressToOpen<'_>) + Send + Sync;

/// Told before a browser is opened.
type BeforeLaunch = dyn Fn() + Send + Sync;

/// An address that no browser was opened for.
#[non_exhaustive]
#[derive(Clone, Copy)]
pub struct AddressToOpen<'a> {
    /// What to open. Whoever opens it signs in for this application: show it to the user only.
    pub url: &'a str,
    /// Where the browser will come back to. One on another machine needs this port forwarded.
    pub port: u16,
    /// Why no browser was opened.
    pub why: NoBrowser,
}

/// The words for a terminal.
impl fmt::Display for AddressToOpen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, port, why } = self;
        writeln!(f, "To sign in, open this address in a browser ({why}):\n\n    {url}\n")?;
        write!(f, "If that browser runs on another machine: ssh -L {port}:localhost:{port} forwards the way back.")
    }
}

impl fmt::Debug for AddressToOpen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddressToOpen").field("port", &self.port).field("why", &self.why).finish_non_exhaustive()
    }
}

/// A listener, a browser and how they are used for one sign-in. Answers [`Ask::OpenBrowser`](sansal::flow::Ask).
///
/// ```no_run
/// use sansal_std::Interactive;
/// let interactive = Interactive::bind(None)?;
/// println!("redirect_uri = {}", interactive.redirect_uri());
/// # Ok::<(), sansal_std::ListenError>(())
/// ```
pub struct Interactive {
    listener: LoopbackListener,
    browser: Arc<dyn OpenBrowser>,
    show_address: Arc<ShowAddress>,
    before: Arc<BeforeLaunch>,
    options: WaitOptions,
}

impl Interactive {
    /// Listens at this port, or at a free one (`None` or 0), and will use [`SystemBrowser`].
    ///
    /// # Errors
    /// [`ListenError`]
    pub fn bind(port: Option<u16>) -> Result<Self, ListenError> {
        Ok(Self {
            listener: LoopbackListener::bind(port)?,
            browser: Arc::new(SystemBrowser),
            show_address: Arc::new(|address| eprintln!("{address}")),
            before: Arc::new(|| {}),
            options: WaitOptions::default(),
        })
    }

    /// What the authorization request must say: `http://localhost:PORT`.
    pub fn redirect_uri(&self) -> String {
        self.listener.redirect_uri()
    }

    /// The port at which the browser comes back.
    pub fn port(&self) -> u16 {
        self.listener.port()
    }

    /// Opens another browser.
    #[must_use]
    pub fn browser(mut self, browser: impl OpenBrowser + 'static) -> Self {
        self.browser = Arc::new(browser);
        self
    }

    /// What to do when no browser can be opened; by default the address is printed to standard error. The sign-in goes
    /// on: the user may open it anywhere.
    #[must_use]
    pub fn show_address(mut self, show: impl Fn(&AddressToOpen<'_>) + Send + Sync + 'static) -> Self {
        self.show_address = Arc::new(show);
        self
    }

    /// Called before a browser is opened, so that a program can say what is going to happen. It does not run when a token can
    /// be had otherwise.
    #[must_use]
    pub fn on_before_launching_ui(mut self, tell: impl Fn() + Send + Sync + 'static) -> Self {
        self.before = Arc::new(tell);
        self
    }

    /// How long the user may take; [`DEFAULT_TIMEOUT`] unless set.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = timeout;
        self
    }

    /// What the user sees.
    #[must_use]
    pub fn pages(mut self, pages: Pages) -> Self {
        self.options.pages = pages;
        self
    }

    /// The handle that ends the wait.
    #[must_use]
    pub fn cancel(mut self, cancel: Cancel) -> Self {
        self.options.cancel = cancel;
        self
    }

    /// The handle that ends its wait, for whoever else may have to.
    pub fn cancel_handle(&self) -> Cancel {
        self.options.cancel.clone()
    }

    /// Opens the address in a thread of its own, since a text browser runs until its user leaves it, and that user
    /// needs the listener meanwhile.
    fn launch(&self, url: &str) -> Result<(), AskError> {
        let (browser, show, port) = (self.browser.clone(), self.show_address.clone(), self.port());
        let url = url.to_owned();
        let launch = move || {
            if let Err(why) = browser.open(&url) {
                tracing::debug!(?why, "no browser was opened");
                show(&AddressToOpen { url: &url, port, why });
            }
        };
        thread::Builder::new().name("browser".into()).spawn(launch).map(drop).map_err(|_| AskError::Failed)
    }
}

impl Asks for Interactive {
    /// Takes `state` and `response_mode` from the address. [`AskError::Failed`] for one without a state, or for another
    /// redirect address than its own: its answer could not be told from anybody else's, or would never arrive.
    fn open_browser(&self, url: &str, redirect_uri: &str) -> Result<Secret, AskError> {
        let (state, response_mode) = awaited(url).ok_or(AskError::Failed)?;
        if redirect_uri.strip_suffix('/').unwrap_or(redirect_uri) != self.redirect_uri() {
            return Err(AskError::Failed);
        }
        (self.before)();
        let auth_uri = self.options.pages.has_welcome().then(|| url.to_owned());
        match auth_uri {
            Some(_) => self.launch(&format!("{}{}", self.redirect_uri(), wait::WELCOME))?,
            None => self.launch(url)?,
        }
        self.listener.wait(&state, &WaitOptions { response_mode, auth_uri, ..self.options.clone() })
    }
}

impl fmt::Debug for Interactive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interactive").field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// What an authorization request says about its answer (RFC 6749 s4.1.1); `query` is the default for codes.
fn awaited(url: &str) -> Option<(Secret, ResponseMode)> {
    let url = Endpoint::parse(url).ok()?;
    let mut fields = form::decode(url.query()?)?;
    let mode = match fields.iter().find(|(name, _)| name == "response_mode").map(|(_, value)| value.expose()) {
        Some("form_post") => ResponseMode::FormPost,
        None | Some("query") => ResponseMode::Query,
        Some(_) => return None,
    };
    let state = fields.iter().position(|(name, _)| name == "state")?;
    let (_, state) = fields.swap_remove(state);
    (!state.is_empty()).then_some((state, mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_address_awaits() {
        let read = |query: &str| {
            let read = awaited(&format!("https://login.example/authorize{query}"));
            read.map(|(state, mode)| (state.expose().to_owned(), mode))
        };
        for (query, expected) in [
            ("?a=b&state=x%2By&response_mode=form_post", Some(("x+y", ResponseMode::FormPost))),
            ("?state=s&response_mode=query", Some(("s", ResponseMode::Query))),
            ("?state=s", Some(("s", ResponseMode::Query))),
            ("?state=s&response_mode=fragment", None),
            ("?state=", None),
            ("?response_mode=form_post", None),
            ("", None),
        ] {
            assert_eq!(read(query), expected.map(|(state, mode)| (state.to_owned(), mode)), "{query}");
        }
    }

    #[test]
    fn debug_shows_no_address() {
        let address = AddressToOpen { url: "https://a.example/?state=planted", port: 4000, why: NoBrowser::NoScreen };
        assert!(!format!("{address:?}").contains("planted"));
        assert!(
            address.to_string().contains("state=planted") && address.to_string().contains("-L 4000:localhost:4000")
        );
        assert!(!format!("{:?}", Interactive::bind(None).unwrap()).contains("state"));
    }
}
