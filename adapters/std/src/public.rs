//! An application on a user's machine, without a credential: MSAL's `PublicClientApplication`, blocking.

use std::fmt;

use sansal::account::Account;
use sansal::accounts::{GetAccounts, RemoveAccount};
use sansal::authorization::AuthorizationRequest;
use sansal::cache::TokenCache;
use sansal::client::Client;
use sansal::error::{AskError, CommitError, Error};
use sansal::silent::Silent;
use sansal::{Token, UsernamePassword};

use crate::asks::NoAsks;
use crate::common::{Common, common_settings};
use crate::driver::Driver;
use crate::interactive::Interactive;
use crate::setup::SetupError;

/// An application that cannot keep a secret (RFC 6749 s2.1) and gets tokens for the user before it.
///
/// ```no_run
/// use sansal_std::PublicClient;
///
/// let client = PublicClient::builder("your-application-id").build()?;
/// let scopes = ["User.Read"];
/// let known = client.get_accounts()?;
/// let token = match known.first().map(|account| client.acquire_token_silent(&scopes, account)) {
///     Some(Ok(token)) => token,
///     _ => client.acquire_token_interactive(&scopes)?,
/// };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PublicClient {
    client: Client,
    driver: Driver,
}

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
        self.driver.drive(&self.client, request.interactive(&self.client)?, interactive)
    }

    /// A token for a user who has signed in before, from the cache or by a refresh token.
    ///
    /// # Errors
    /// [`Error::InteractionRequired`] when the user has to sign in again; any other [`Error`] says what to do.
    pub fn acquire_token_silent<S: AsRef<str>>(&self, scopes: &[S], account: &Account) -> Result<Token, Error> {
        self.acquire_token_silent_with(&Silent::new(account, scopes)?)
    }

    /// The same with everything that can be asked for: tenant, claims challenge, a forced refresh.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub fn acquire_token_silent_with(&self, request: &Silent) -> Result<Token, Error> {
        self.driver.drive(&self.client, request.flow(&self.client)?, &NoAsks)
    }

    /// A token for a user whose name and password the application has (RFC 6749 s4.3). Only for what cannot be done
    /// otherwise. Users of a federated domain need [`allow_federation`](PublicClientBuilder::allow_federation).
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
        self.driver.drive(&self.client, request.flow(&self.client)?, &NoAsks)
    }

    /// The users who have signed in and are remembered.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub fn get_accounts(&self) -> Result<Vec<Account>, Error> {
        self.driver.drive(&self.client, GetAccounts::new(), &NoAsks)
    }

    /// Forgets a user and all tokens of theirs. The inner result tells whether the removal could be persisted.
    ///
    /// # Errors
    /// [`Error`] when nothing was forgotten.
    pub fn remove_account(&self, account: &Account) -> Result<Result<(), CommitError>, Error> {
        self.driver.drive(&self.client, RemoveAccount::new(account), &NoAsks)
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

impl fmt::Debug for PublicClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.fmt(f)
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
        Ok(PublicClient { client, driver })
    }
}

impl fmt::Debug for PublicClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicClientBuilder").field("authority", &self.common.authority).finish_non_exhaustive()
    }
}
