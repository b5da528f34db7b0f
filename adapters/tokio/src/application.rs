//! What both kinds of application do: MSAL's `ClientApplication`, asynchronous.

use std::fmt;
use std::sync::Arc;

use sansal::Token;
use sansal::account::Account;
use sansal::accounts::{GetAccounts, RemoveAccount};
use sansal::authorization::{AuthCodeFlow, AuthorizationRequest, AuthorizationResponse};
use sansal::cache::TokenCache;
use sansal::client::Client;
use sansal::error::{CommitError, Error, SendError};
use sansal::flow::Flow;
use sansal::keys::{AcquireKey, ProcessKey};
use sansal::refresh_token::RefreshTokenImport;
use sansal::silent::Silent;
use sansal::username_password::UsernamePassword;
use sansal_std::{Granted, Lease, Parts, SetupError};

use crate::driver::{Driver, SharedAsks};
use crate::http::HttpClient;
use crate::reqwest_client::ReqwestClient;
use crate::single_flight::SingleFlight;

/// The methods of [`PublicClient`](crate::PublicClient) and [`ConfidentialClient`](crate::ConfidentialClient) that do
/// not depend on the kind. Clones are the same application.
///
/// A cached token is answered under a reader's lock. Of all calls that ask for the same at the same time one asks the
/// server. A request that is on its way is not given up when its caller is: its answer, which may hold the one refresh token that
/// still counts, goes into the cache.
#[derive(Clone)]
pub struct ClientApplication(Arc<Inner>);

struct Inner {
    client: Client,
    driver: Driver,
    asks: SharedAsks,
    flights: SingleFlight,
}

impl ClientApplication {
    pub(crate) fn new(parts: Parts, http: Option<Arc<dyn HttpClient>>) -> Result<Self, SetupError> {
        let http = match http {
            Some(http) => http,
            None => Arc::new(ReqwestClient::new(parts.transport)?),
        };
        let driver = Driver::new(http, parts.store, parts.time, parts.persistence);
        let (client, asks) = (parts.client, parts.asks);
        Ok(Self(Arc::new(Inner { client, driver, asks, flights: SingleFlight::default() })))
    }

    /// A token for a user who has signed in before, from the cache or by a refresh token.
    ///
    /// # Errors
    /// [`Error::InteractionRequired`] when the user has to sign in (again); any other [`Error`] says what to do.
    pub async fn acquire_token_silent<S: AsRef<str>>(&self, scopes: &[S], account: &Account) -> Result<Token, Error> {
        let request = Silent::new(account, scopes);
        self.acquire_token_silent_with(&request?).await
    }

    /// The same with everything that can be asked for: tenant, claims challenge, a forced refresh.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub async fn acquire_token_silent_with(&self, request: &Silent) -> Result<Token, Error> {
        self.acquire(|client, process| request.key(client, process), |client| request.flow(client)).await
    }

    /// The users who have signed in and are remembered; those with this name, if one is given (in any case).
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub async fn get_accounts(&self, username: Option<&str>) -> Result<Vec<Account>, Error> {
        self.drive(GetAccounts::new().username(username.unwrap_or_default())).await
    }

    /// Forgets a user and all tokens of theirs on this machine. The inner result tells whether the removal could be persisted.
    ///
    /// # Errors
    /// [`Error`] when nothing was forgotten.
    pub async fn remove_account(&self, account: &Account) -> Result<Result<(), CommitError>, Error> {
        self.drive(RemoveAccount::new(account)).await
    }

    /// The first leg of the authorization code flow (RFC 6749 s4.1, RFC 7636).
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub async fn initiate_auth_code_flow(&self, request: &AuthorizationRequest) -> Result<AuthCodeFlow, Error> {
        self.drive(request.initiate()).await
    }

    /// The second leg: a token for what the browser brought. A flow serves once.
    ///
    /// # Errors
    /// [`Error::BadResponse`] when the answer does not belong to this flow; any other [`Error`] says what to do.
    pub async fn acquire_token_by_auth_code_flow(
        &self,
        flow: &AuthCodeFlow,
        response: AuthorizationResponse,
    ) -> Result<Token, Error> {
        self.finish(flow.redeem(self.client(), response)?).await
    }

    /// A token for a refresh token that another library kept.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub async fn acquire_token_by_refresh_token<S: AsRef<str>>(
        &self,
        refresh_token: &str,
        scopes: &[S],
    ) -> Result<Token, Error> {
        let flow = RefreshTokenImport::new(refresh_token, scopes)?.flow(self.client())?;
        self.finish(flow).await
    }

    /// A token for a user's name and password (RFC 6749 s4.3): only for what cannot be done otherwise.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub async fn acquire_token_by_username_password<S: AsRef<str>>(
        &self,
        username: &str,
        password: &str,
        scopes: &[S],
    ) -> Result<Token, Error> {
        let flow = UsernamePassword::new(username, password, scopes)?.flow(self.client())?;
        self.finish(flow).await
    }

    /// Looks into the token cache. No token is stored meanwhile: be quick.
    pub fn with_token_cache<R>(&self, read: impl FnOnce(&TokenCache) -> R) -> R {
        self.0.driver.with_store(|store| read(&store.tokens))
    }

    /// The application as the core sees it.
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// Drives a machine that may be given up at any time without loss.
    pub(crate) async fn drive<F: Flow>(&self, flow: F) -> Result<F::Output, Error> {
        self.0.driver.drive(self.client(), flow, &self.0.asks).await
    }

    /// Drives a machine to its end, whether anybody waits for it or not.
    async fn finish<F>(&self, flow: F) -> Result<F::Output, Error>
    where
        F: Flow + Send + 'static,
        F::Output: Send + 'static,
    {
        self.detached(flow, ()).await
    }

    /// `held` is dropped when the machine has come to its end.
    async fn detached<F, H>(&self, flow: F, held: H) -> Result<F::Output, Error>
    where
        F: Flow + Send + 'static,
        F::Output: Send + 'static,
        H: Send + 'static,
    {
        let own = self.clone();
        let task = tokio::spawn(async move {
            let result = own.drive(flow).await;
            drop(held);
            result
        });
        // A task ends without a result only when the runtime shuts down.
        task.await.unwrap_or(Err(cancelled(self.client())))
    }

    /// A token from the cache; else one acquisition at a time for each key, and where the store has leases, in all processes.
    pub(crate) async fn acquire<F>(
        &self,
        key: impl Fn(&Client, &ProcessKey) -> AcquireKey,
        flow: impl Fn(&Client) -> Result<F, Error>,
    ) -> Result<Token, Error>
    where
        F: Flow<Output = Token> + Send + 'static,
    {
        let Inner { client, driver, flights, .. } = &*self.0;
        if let Some(token) = driver.peek(client, flow(client)?).await {
            return Ok(token);
        }
        let own = driver.with_store(|store| key(client, store.memory.process_key()));
        let turn = flights.turn(own).await;
        // What the one before has brought.
        if let Some(token) = driver.peek(client, flow(client)?).await {
            return Ok(token);
        }
        let deadline = driver.mono().after(client.settings().operation_budget);
        let lease = loop {
            match driver.lease(|shared| key(client, shared)).await {
                Lease::Granted(lease) => {
                    // What another process has brought.
                    if let Some(token) = driver.peek(client, flow(client)?).await {
                        return Ok(token);
                    }
                    break Some(OffThread(Some(lease)));
                }
                Lease::Busy(span) if driver.mono() < deadline => driver.pause(span).await,
                _ => break None,
            }
            if let Some(token) = driver.peek(client, flow(client)?).await {
                return Ok(token);
            }
        };
        self.detached(flow(client)?, (lease, turn)).await
    }
}

impl fmt::Debug for ClientApplication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client().fmt(f)
    }
}

/// A lease that is given back where one may block.
struct OffThread(Option<Granted>);

impl Drop for OffThread {
    fn drop(&mut self) {
        let lease = self.0.take();
        drop(tokio::task::spawn_blocking(move || drop(lease)));
    }
}

fn cancelled(client: &Client) -> Error {
    Error::Unreachable { host: client.authority().host().to_owned(), why: SendError::Cancelled }
}
