//! An application with a credential: MSAL's `ConfidentialClientApplication`, asynchronous.

use std::ops::Deref;
use std::sync::Arc;

use sansal::error::{CommitError, Error};
use sansal::on_behalf_of::OnBehalfOf;
use sansal::user_fic::UserFederatedIdentityCredential;
use sansal::{ClientCredentials, RemoveTokensForClient, Token};
use sansal_std::{ConfidentialClientBuilder, SetupError};

use crate::application::ClientApplication;
use crate::http::HttpClient;

/// An application that proves itself with a secret, a certificate or an assertion. What it has in common with a
/// [`PublicClient`](crate::PublicClient) is in [`ClientApplication`]. Clones are the same application.
#[derive(Clone, Debug)]
#[doc(alias = "ConfidentialClientApplication")]
pub struct ConfidentialClient(ClientApplication);

impl ConfidentialClient {
    /// As the builder of `sansal-std` says, whose settings are the same here; requests leave by
    /// [`ReqwestClient`](crate::ReqwestClient).
    ///
    /// # Errors
    /// [`SetupError`] says what does not fit.
    pub fn new(settings: ConfidentialClientBuilder) -> Result<Self, SetupError> {
        Ok(Self(ClientApplication::new(settings.parts()?, None)?))
    }

    /// The same with another HTTP client.
    ///
    /// # Errors
    /// [`SetupError`] says what does not fit.
    pub fn with_http_client(
        settings: ConfidentialClientBuilder,
        http: impl HttpClient + 'static,
    ) -> Result<Self, SetupError> {
        Ok(Self(ClientApplication::new(settings.parts()?, Some(Arc::new(http)))?))
    }

    /// A token for the application itself (RFC 6749 s4.4), from the cache or from the server.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub async fn acquire_token_for_client<S: AsRef<str>>(&self, scopes: &[S]) -> Result<Token, Error> {
        let find = |client: &_, store: &_, clock| ClientCredentials::at_hand(scopes, client, store, clock);
        if let Some(token) = self.at_hand(find) {
            return Ok(token);
        }
        let request = ClientCredentials::new(scopes);
        self.acquire_token_for_client_with(&request?).await
    }

    /// The same with everything that can be asked for: claims challenge, forwarded claims, `fmi_path`.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub async fn acquire_token_for_client_with(&self, request: &ClientCredentials) -> Result<Token, Error> {
        self.acquire(|client, process| request.key(client, process), |client| request.flow(client)).await
    }

    /// Forgets every token that the application got on its own behalf. The inner result tells whether the removal could
    /// be persisted.
    ///
    /// # Errors
    /// [`Error`] when nothing was forgotten.
    pub async fn remove_tokens_for_client(&self) -> Result<Result<(), CommitError>, Error> {
        self.drive(RemoveTokensForClient::new()).await
    }

    /// A token for a resource, for the user whose access token this service was called with (RFC 7523 s2.1).
    ///
    /// # Errors
    /// [`Error::InteractionRequired`] when the user has to do something; any other [`Error`] says what to do.
    pub async fn acquire_token_on_behalf_of<S: AsRef<str>>(
        &self,
        user_assertion: &str,
        scopes: &[S],
    ) -> Result<Token, Error> {
        let request = OnBehalfOf::new(user_assertion, scopes);
        self.acquire_token_on_behalf_of_with(&request?).await
    }

    /// The same with everything that can be asked for: claims challenge, forwarded claims.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub async fn acquire_token_on_behalf_of_with(&self, request: &OnBehalfOf) -> Result<Token, Error> {
        self.acquire(|client, process| request.key(client, process), |client| request.flow(client)).await
    }

    /// A token for a user, got with a credential that speaks for that user (Microsoft's `user_fic`).
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub async fn acquire_token_by_user_federated_identity_credential(
        &self,
        request: &UserFederatedIdentityCredential,
    ) -> Result<Token, Error> {
        self.acquire(|client, process| request.key(client, process), |client| request.flow(client)).await
    }
}

impl Deref for ConfidentialClient {
    type Target = ClientApplication;

    fn deref(&self) -> &ClientApplication {
        &self.0
    }
}
