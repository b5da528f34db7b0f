//! An application with a credential: MSAL's `ConfidentialClientApplication`, blocking.

use std::fmt;

use sansal::cache::TokenCache;
use sansal::client::Client;
use sansal::error::{AskError, CommitError, Error};
use sansal::key::{Algorithm, KeyName};
use sansal::{ClientCredentials, RemoveTokensForClient, Secret, Token, UsernamePassword};

use crate::asks::{Asks, AssertionContext};
use crate::builder::ConfidentialClientBuilder;
use crate::driver::Driver;
use crate::environment::Environment;
use crate::keys::RingKeys;
use crate::setup::SetupError;

/// An application that proves itself with a secret, a certificate or an assertion, and gets tokens on its own behalf.
///
/// Tokens are kept in memory and served from there until shortly before they end. One client serves many threads.
pub struct ConfidentialClient {
    pub(crate) client: Client,
    pub(crate) driver: Driver,
    pub(crate) own: Own,
}

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
        self.acquire_token_for_client_with(&ClientCredentials::new(scopes)?)
    }

    /// The same with everything that can be asked for: claims challenge, forwarded claims, `fmi_path`.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub fn acquire_token_for_client_with(&self, request: &ClientCredentials) -> Result<Token, Error> {
        self.driver.drive(&self.client, request.flow(&self.client)?, &self.own)
    }

    /// A token for a user whose name and password the application has (RFC 6749 s4.3). Only for what cannot be done
    /// otherwise. Users of a federated domain need [`allow_federation`](ConfidentialClientBuilder::allow_federation).
    ///
    /// # Errors
    /// [`Error::Refused`] and [`Error::Fault`] for a wrong password, by Entra and by a federation server; do not repeat it.
    pub fn acquire_token_by_username_password<S: AsRef<str>>(
        &self,
        username: &str,
        password: &str,
        scopes: &[S],
    ) -> Result<Token, Error> {
        self.acquire_token_by_username_password_with(&UsernamePassword::new(username, password, scopes)?)
    }

    /// The same with everything that can be asked for: claims challenge.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub fn acquire_token_by_username_password_with(&self, request: &UsernamePassword) -> Result<Token, Error> {
        self.driver.drive(&self.client, request.flow(&self.client)?, &self.own)
    }

    /// Forgets every token that the application got on its own behalf. The inner result tells whether the removal could
    /// be persisted.
    ///
    /// # Errors
    /// [`Error`] when nothing was forgotten.
    pub fn remove_tokens_for_client(&self) -> Result<Result<(), CommitError>, Error> {
        self.driver.drive(&self.client, RemoveTokensForClient::new(), &self.own)
    }

    /// Looks into the token cache, for example to write it to a file. No token is stored meanwhile: be quick.
    pub fn with_token_cache<R>(&self, read: impl FnOnce(&TokenCache) -> R) -> R {
        self.driver.with_store(|store| read(&store.tokens))
    }

    /// The application as the core sees it.
    pub fn client(&self) -> &Client {
        &self.client
    }
}

impl fmt::Debug for ConfidentialClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.fmt(f)
    }
}

/// Makes a client assertion.
pub(crate) type AssertionCallback = dyn Fn(&AssertionContext) -> Result<Secret, AskError> + Send + Sync;

/// What the client answers by itself.
#[derive(Default)]
pub(crate) struct Own {
    pub(crate) keys: RingKeys,
    pub(crate) callback: Option<Box<AssertionCallback>>,
}

impl Asks for Own {
    fn sign(&self, key: &KeyName, alg: Algorithm, message: &[u8]) -> Result<Vec<u8>, AskError> {
        self.keys.sign(key, alg, message)
    }

    fn assertion(&self, context: &AssertionContext) -> Result<Secret, AskError> {
        self.callback.as_ref().ok_or(AskError::NotSupported)?(context)
    }
}
