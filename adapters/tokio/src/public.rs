//! An application on a user's machine, without a credential: MSAL's `PublicClientApplication`, asynchronous.

use std::ops::Deref;
use std::sync::Arc;

use sansal::Token;
use sansal::device_code::{DeviceCode, PollOptions};
use sansal::device_flow::DeviceFlow;
use sansal::error::Error;
use sansal_std::{PublicClientBuilder, SetupError};

use crate::application::ClientApplication;
use crate::http::HttpClient;

/// An application that cannot keep a secret (RFC 6749 s2.1) and gets tokens for the user before it. What it has in common with a
/// [`ConfidentialClient`](crate::ConfidentialClient) is in [`ClientApplication`]. Clones are the same application.
#[derive(Clone, Debug)]
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

    /// The first leg of the device code flow (RFC 8628): show the user its [`message`](DeviceFlow::message).
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub async fn initiate_device_flow<S: AsRef<str>>(&self, scopes: &[S]) -> Result<DeviceFlow, Error> {
        let flow = DeviceCode::new(scopes)?.initiate(self.client())?;
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
