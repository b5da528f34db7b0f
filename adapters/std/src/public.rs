//! An application on a user's machine, without a credential: MSAL's `PublicClientApplication`, blocking.

use std::fmt;
use std::ops::Deref;

use sansal::Token;
use sansal::authorization::AuthorizationRequest;
use sansal::device_code::{DeviceCode, PollOptions};
use sansal::device_flow::DeviceFlow;
use sansal::error::{AskError, Error};

use crate::application::{ClientApplication, Own};
use crate::common::{Common, common_settings};
use crate::interactive::Interactive;
use crate::parts::Parts;
use crate::proof::With;
use crate::setup::SetupError;

/// An application that cannot keep a secret (RFC 6749 s2.1) and gets tokens for the user before it. What it has in common with a
/// [`ConfidentialClient`](crate::ConfidentialClient) is in [`ClientApplication`].
///
/// ```no_run
/// use sansal_std::PublicClient;
///
/// let client = PublicClient::builder("your-application-id").build()?;
/// let scopes = ["User.Read"];
/// let known = client.get_accounts(None)?;
/// let token = match known.first().map(|account| client.acquire_token_silent(&scopes, account)) {
///     Some(Ok(token)) => token,
///     _ => client.acquire_token_interactive(&scopes)?,
/// };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "PublicClientApplication")]
pub struct PublicClient(pub(crate) ClientApplication);

impl PublicClient {
    /// Starts with the application (client) id of the registration.
    pub fn builder(client_id: &str) -> PublicClientBuilder {
        PublicClientBuilder { common: Common::new(client_id) }
    }

    /// A token for the user who signs in at this machine's browser (RFC 8252). `http://localhost` must be registered
    /// with the application as a redirect address.
    ///
    /// # Errors
    /// [`Error`] says what to do: [`Error::Unanswered`] with [`AskError::TimedOut`] when the user did not finish.
    pub fn acquire_token_interactive<S: AsRef<str>>(&self, scopes: &[S]) -> Result<Token, Error> {
        let interactive = Interactive::bind(None).map_err(|why| {
            tracing::debug!(%why, "no loopback listener");
            Error::Unanswered { ask: "browser", why: AskError::Failed }
        })?;
        let request = AuthorizationRequest::new(scopes, &interactive.redirect_uri())?;
        self.acquire_token_interactive_with(&interactive, &request)
    }

    /// The same with everything that can be asked for, and with one's own port, browser, pages, time-out and
    /// [`Cancel`](crate::Cancel). The request is made with the redirect address of `interactive`.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub fn acquire_token_interactive_with(
        &self,
        interactive: &Interactive,
        request: &AuthorizationRequest,
    ) -> Result<Token, Error> {
        let asks = With(&*self.own, interactive);
        self.driver.drive(self.client(), request.interactive(self.client())?, &asks)
    }

    /// The first leg of the device code flow (RFC 8628): show the user its [`message`](DeviceFlow::message), or its
    /// [`user_code`](DeviceFlow::user_code) and [`verification_uri`](DeviceFlow::verification_uri).
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub fn initiate_device_flow<S: AsRef<str>>(&self, scopes: &[S]) -> Result<DeviceFlow, Error> {
        self.initiate_device_flow_with(&DeviceCode::new(scopes)?)
    }

    /// The same with a claims challenge.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub fn initiate_device_flow_with(&self, request: &DeviceCode) -> Result<DeviceFlow, Error> {
        self.drive(request.initiate(self.client())?)
    }

    /// The second leg: waits until the user has signed in elsewhere, or the code has ended.
    ///
    /// # Errors
    /// [`Error::Expired`] when the user was too slow, [`Error::Refused`] when they declined; any other [`Error`] says what to
    /// do.
    pub fn acquire_token_by_device_flow(&self, flow: &mut DeviceFlow) -> Result<Token, Error> {
        self.acquire_token_by_device_flow_with(flow, &PollOptions::default())
    }

    /// The same, as the options say: by asking [once](PollOptions::once) an application may do something else, or give up,
    /// between two questions. The flow remembers what the server said about its patience.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub fn acquire_token_by_device_flow_with(
        &self,
        flow: &mut DeviceFlow,
        options: &PollOptions,
    ) -> Result<Token, Error> {
        let mut polling = flow.poll(self.client(), options)?;
        let result = self.drive(&mut polling);
        flow.clone_from(polling.device_flow());
        result
    }
}

impl Deref for PublicClient {
    type Target = ClientApplication;

    fn deref(&self) -> &ClientApplication {
        &self.0
    }
}

impl fmt::Debug for PublicClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Collects what a [`PublicClient`] is made of; [`build`](Self::build) checks it as a whole.
pub struct PublicClientBuilder {
    common: Common,
}

impl PublicClientBuilder {
    common_settings!();

    /// Checks it all. Nothing is sent yet.
    ///
    /// # Errors
    /// [`SetupError`] says what does not fit.
    pub fn build(self) -> Result<PublicClient, SetupError> {
        let (client, driver) = self.common.open(Ok)?;
        Ok(PublicClient(ClientApplication::new(client, driver, Own::default())))
    }

    /// Checks it all, and hands the parts to a host of another kind.
    ///
    /// # Errors
    /// [`SetupError`] says what does not fit.
    pub fn parts(self) -> Result<Parts, SetupError> {
        let (client, opened) = self.common.check(Ok)?;
        Parts::new(client, opened, Own::default())
    }
}

impl fmt::Debug for PublicClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicClientBuilder").field("authority", &self.common.authority).finish_non_exhaustive()
    }
}
