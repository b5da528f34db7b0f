//! An application with a credential: MSAL's `ConfidentialClientApplication`, blocking.

use std::fmt;
use std::ops::Deref;

use sansal::error::{CommitError, Error};
use sansal::on_behalf_of::OnBehalfOf;
use sansal::user_fic::UserFederatedIdentityCredential;
use sansal::{ClientCredentials, RemoveTokensForClient, Token};

use crate::application::ClientApplication;
use crate::builder::ConfidentialClientBuilder;
use crate::environment::Environment;
use crate::setup::SetupError;

/// An application that proves itself with a secret, a certificate or an assertion, and gets tokens on its own behalf and
/// for users. What it has in common with a [`PublicClient`](crate::PublicClient) is in [`ClientApplication`].
///
/// Tokens are kept in memory and served from there until shortly before they end. One client serves many threads.
#[doc(alias = "ConfidentialClientApplication")]
pub struct ConfidentialClient(pub(crate) ClientApplication);

impl ConfidentialClient {
    /// Starts with the application (client) id of the registration.
    pub fn builder(client_id: &str) -> ConfidentialClientBuilder {
        ConfidentialClientBuilder::new(client_id)
    }

    /// Starts with what the environment says: application, authority and credential.
    ///
    /// # Errors
    /// [`SetupError`] names the variable or the file that is at fault.
    pub fn from_env() -> Result<ConfidentialClientBuilder, SetupError> {
        Self::from_environment(&Environment::from_process()?)
    }

    /// Starts with what `environment` says.
    ///
    /// # Errors
    /// [`SetupError`] names the variable or the file that is at fault.
    pub fn from_environment(environment: &Environment) -> Result<ConfidentialClientBuilder, SetupError> {
        let builder = Self::builder(environment.client_id()?)
            .authority(&environment.authority()?)
            .environment_regions(environment);
        builder.environment_credential(environment.credential()?)
    }

    /// A token for the application itself (RFC 6749 s4.4), from the cache or from the server. At Entra a scope is the
    /// resource followed by `/.default`.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub fn acquire_token_for_client<S: AsRef<str>>(&self, scopes: &[S]) -> Result<Token, Error> {
        let find = |client: &_, store: &_, clock| ClientCredentials::at_hand(scopes, client, store, clock);
        match self.at_hand(find) {
            Some(token) => Ok(token),
            None => self.acquire_token_for_client_with(&ClientCredentials::new(scopes)?),
        }
    }

    /// The same with everything that can be asked for: claims challenge, forwarded claims, `fmi_path`.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub fn acquire_token_for_client_with(&self, request: &ClientCredentials) -> Result<Token, Error> {
        self.acquire(|client, shared| request.key(client, shared), |client| request.flow(client))
    }

    /// Forgets every token that the application got on its own behalf. The inner result tells whether the removal could
    /// be persisted.
    ///
    /// # Errors
    /// [`Error`] when nothing was forgotten.
    pub fn remove_tokens_for_client(&self) -> Result<Result<(), CommitError>, Error> {
        self.drive(RemoveTokensForClient::new())
    }

    /// A token for a resource, for the user whose access token this service was called with (RFC 7523 s2.1, Microsoft's
    /// `on_behalf_of`): `user_assertion` is that token, exactly as it came in.
    ///
    /// # Errors
    /// [`Error::InteractionRequired`] when the user has to do something: pass its claims on to the caller, in a 401 with
    /// `WWW-Authenticate`. Any other [`Error`] says what to do.
    pub fn acquire_token_on_behalf_of<S: AsRef<str>>(
        &self,
        user_assertion: &str,
        scopes: &[S],
    ) -> Result<Token, Error> {
        self.acquire_token_on_behalf_of_with(&OnBehalfOf::new(user_assertion, scopes)?)
    }

    /// The same with everything that can be asked for: claims challenge, forwarded claims.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub fn acquire_token_on_behalf_of_with(&self, request: &OnBehalfOf) -> Result<Token, Error> {
        self.acquire(|client, shared| request.key(client, shared), |client| request.flow(client))
    }

    /// A token for a user, got with a credential that speaks for that user (Microsoft's `user_fic`).
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub fn acquire_token_by_user_federated_identity_credential(
        &self,
        request: &UserFederatedIdentityCredential,
    ) -> Result<Token, Error> {
        self.acquire(|client, shared| request.key(client, shared), |client| request.flow(client))
    }
}

impl Deref for ConfidentialClient {
    type Target = ClientApplication;

    fn deref(&self) -> &ClientApplication {
        &self.0
    }
}

impl fmt::Debug for ConfidentialClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
