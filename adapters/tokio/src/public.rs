//! An application on a user's machine, without a credential: MSAL's `PublicClientApplication`, asynchronous.

use std::ops::Deref;
use std::sync::Arc;

use sansal::Token;
use sansal::authorization::AuthorizationRequest;
use sansal::device_code::{DeviceCode, PollOptions};
use sansal::device_flow::DeviceFlow;
use sansal::error::{AskError, Error};
use sansal_std::{Cancel, Interactive, PublicClientBuilder, SetupError, With};

use crate::application::ClientApplication;
use crate::driver::SharedAsks;
use crate::http::HttpClient;

/// An application that cannot keep a secret (RFC 6749 s2.1) and gets tokens for the user before it. What it has in common with a
/// [`ConfidentialClient`](crate::ConfidentialClient) is in [`ClientApplication`]. Clones are the same application.
#[derive(Clone, Debug)]
#[doc(alias = "PublicClientApplication")]
pub struct PublicClient(ClientApplication);

impl PublicClient {
    /// As the builder of `sansal-std` says, whose settings are the same here.
    ///
    /// # Errors
    /// [`SetupError`] says what does not fit.
    pub fn new(settings: PublicClientBuilder) -> Result<Self, SetupError> {
        Ok(Self(ClientApplication::new(settings.parts()?, None)?))
    }

    /// The same with another HTTP client.
    ///
    /// # Errors
    /// [`SetupError`] says what does not fit.
    pub fn with_http_client(
        settings: PublicClientBuilder,
        http: impl HttpClient + 'static,
    ) -> Result<Self, SetupError> {
        Ok(Self(ClientApplication::new(settings.parts()?, Some(Arc::new(http)))?))
    }

    /// A token for the user who signs in at this machine's browser (RFC 8252). `http://localhost` must be registered
    /// with the application as a redirect address. Dropped, it stops listening.
    ///
    /// # Errors
    /// [`Error`] says what to do: [`Error::Unanswered`] with [`AskError::TimedOut`] when the user did not finish.
    pub async fn acquire_token_interactive<S: AsRef<str>>(&self, scopes: &[S]) -> Result<Token, Error> {
        let interactive = Interactive::bind(None).map_err(|why| {
            tracing::debug!(%why, "no loopback listener");
            Error::Unanswered { ask: "browser", why: AskError::Failed }
        })?;
        let request = AuthorizationRequest::new(scopes, &interactive.redirect_uri())?;
        self.acquire_token_interactive_with(Arc::new(interactive), &request).await
    }

    /// The same with everything that can be asked for, and with one's own port, browser, pages, time-out and
    /// [`Cancel`]. The request is made with the redirect address of `interactive`, which listens on a thread of its own. Dropped,
    /// the call uses the [`Cancel`] of `interactive`.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub async fn acquire_token_interactive_with(
        &self,
        interactive: Arc<Interactive>,
        request: &AuthorizationRequest,
    ) -> Result<Token, Error> {
        let mut waiting = Waiting(Some(interactive.cancel_handle()));
        let asks: SharedAsks = Arc::new(With(self.asks().clone(), interactive));
        let result = self.finish_with(request.interactive(self.client())?, asks).await;
        waiting.0 = None;
        result
    }

    /// The first leg of the device code flow (RFC 8628): show the user its [`message`](DeviceFlow::message).
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub async fn initiate_device_flow<S: AsRef<str>>(&self, scopes: &[S]) -> Result<DeviceFlow, Error> {
        let request = DeviceCode::new(scopes)?;
        self.initiate_device_flow_with(&request).await
    }

    /// The same with a claims challenge.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub async fn initiate_device_flow_with(&self, request: &DeviceCode) -> Result<DeviceFlow, Error> {
        let flow = request.initiate(self.client())?;
        self.drive(flow).await
    }

    /// The second leg: waits until the user has signed in elsewhere, or the code has ended. Dropped, it stops asking.
    ///
    /// # Errors
    /// [`Error::Expired`] when the user was too slow, [`Error::Refused`] when they declined; any other [`Error`] says what to
    /// do.
    pub async fn acquire_token_by_device_flow(
        &self,
        flow: &mut DeviceFlow,
        options: &PollOptions,
    ) -> Result<Token, Error> {
        let mut polling = flow.poll(self.client(), options)?;
        let result = self.drive(&mut polling).await;
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

/// A listener that waits for a user; when nobody waits for it any more, it stops.
struct Waiting(Option<Cancel>);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(cancel) = &self.0 {
            cancel.cancel();
        }
    }
}
