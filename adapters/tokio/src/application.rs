//! What both kinds of application do: MSAL's `ClientApplication`, asynchronous.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sansal::account::Account;
use sansal::accounts::{GetAccounts, RemoveAccount};
use sansal::authorization::{AuthCodeFlow, AuthorizationRequest, AuthorizationResponse};
use sansal::authorization_code::{AuthorizationCode, LegacyAuthorizationRequest};
use sansal::cache::TokenCache;
use sansal::client::Client;
use sansal::error::{CommitError, Error, SendError};
use sansal::flow::Flow;
use sansal::http::Request;
use sansal::keys::{AcquireKey, ProcessKey};
use sansal::pop::PopKey;
use sansal::refresh_token::RefreshTokenImport;
use sansal::silent::Silent;
use sansal::time::{Clock, Millis};
use sansal::username_password::UsernamePassword;
use sansal::{Binding, Endpoint, Store, Token, TokenSource};
use sansal_std::{BoundToken, Event, Granted, HttpResponse, Lease, Parts, Proofs, SetupError, SharedStore};
use tracing::Instrument;

use crate::driver::{Cached, Driver, SharedAsks};
use crate::http::HttpClient;
use crate::reqwest_client::ReqwestClient;
use crate::single_flight::{Lead, SingleFlight};

/// The methods of [`PublicClient`](crate::PublicClient) and [`ConfidentialClient`](crate::ConfidentialClient) that do
/// not depend on the kind. Clones are the same application.
///
/// A cached token is answered under a reader's lock; one that should be renewed but still serves is answered too, and renewed by
/// a task that no call waits for. Of all calls that ask for the same at the same time one asks the server, and all get what comes
/// of it. A request that is on its way is not given up when its caller is: its answer, which may hold the one refresh token that
/// still counts, goes into the cache.
#[derive(Clone)]
pub struct ClientApplication(Arc<Inner>);

struct Inner {
    driver: Driver,
    asks: SharedAsks,
    proofs: Proofs,
    flights: SingleFlight<Result<Token, Error>>,
    closed: AtomicBool,
}

/// After a refresh in the background has failed, the next one for the same key begins this much later.
const REST: Millis = Millis::from_secs(10);

impl ClientApplication {
    pub(crate) fn new(parts: Parts, http: Option<Arc<dyn HttpClient>>) -> Result<Self, SetupError> {
        let http = match http {
            Some(http) => http,
            None => Arc::new(ReqwestClient::new(parts.transport)?),
        };
        let store = Arc::new(SharedStore::new(parts.store, parts.persistence, parts.metrics));
        let mut prover = sansal_std::Driver::sharing(Arc::new(Nowhere), store.clone());
        if let Some(time) = &parts.time {
            prover = prover.time(time.clone());
        }
        let driver = Driver::new(http, store, parts.time);
        let proofs = Proofs::new(parts.client, Arc::new(prover), parts.asks.clone());
        let (flights, closed) = (SingleFlight::default(), AtomicBool::new(false));
        Ok(Self(Arc::new(Inner { driver, asks: parts.asks, proofs, flights, closed })))
    }

    /// A token for a user who has signed in before, from the cache or by a refresh token.
    ///
    /// # Errors
    /// [`Error::InteractionRequired`] when the user has to sign in (again); any other [`Error`] says what to do.
    pub async fn acquire_token_silent<S: AsRef<str>>(&self, scopes: &[S], account: &Account) -> Result<Token, Error> {
        let find = |client: &_, store: &_, clock| Silent::at_hand(account, scopes, client, store, clock);
        if let Some(token) = self.at_hand(find) {
            return Ok(token);
        }
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
        let request = UsernamePassword::new(username, password, scopes)?;
        self.acquire_token_by_username_password_with(&request).await
    }

    /// The same with a claims challenge.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub async fn acquire_token_by_username_password_with(&self, request: &UsernamePassword) -> Result<Token, Error> {
        self.finish(request.flow(self.client())?).await
    }

    /// The address of an authorization request without proof key: MSAL's deprecated way.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub async fn get_authorization_request_url(&self, request: &LegacyAuthorizationRequest) -> Result<Endpoint, Error> {
        self.drive(request.url()).await
    }

    /// A token for a bare authorization code: MSAL's deprecated way.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub async fn acquire_token_by_authorization_code(&self, code: &AuthorizationCode) -> Result<Token, Error> {
        self.finish(code.flow(self.client())?).await
    }

    /// The key that tokens are bound to: the one that the builder was given, else one that is made now.
    ///
    /// # Errors
    /// [`Error::NoEntropy`] when the system has no random bytes.
    pub fn pop_key(&self) -> Result<&PopKey, Error> {
        self.0.proofs.pop_key()
    }

    /// For a request's `bound`: a token for signed HTTP requests (MSAL's `auth_scheme`).
    ///
    /// # Errors
    /// [`Error::NoEntropy`] when a key had to be made and the system has no random bytes.
    pub fn pop(&self) -> Result<Binding, Error> {
        Ok(Binding::pop(self.pop_key()?.jwk()))
    }

    /// For a request's `bound`: a DPoP token (RFC 9449).
    ///
    /// # Errors
    /// [`Error::NoEntropy`] when a key had to be made and the system has no random bytes.
    pub fn dpop(&self) -> Result<Binding, Error> {
        Ok(Binding::dpop(self.pop_key()?.jwk()))
    }

    /// Whether tokens can be bound to a key: always.
    pub fn is_pop_supported(&self) -> bool {
        self.client().is_pop_supported()
    }

    /// A bound token with what it takes to use it: the same as with `sansal-std`, for its proofs are made without the network.
    /// Where the key is not in memory but with a device, make them in `spawn_blocking`.
    ///
    /// # Errors
    /// [`NotBound`](sansal::error::Config::NotBound) for any other token.
    pub fn bound_token(&self, token: Token) -> Result<BoundToken, Error> {
        self.0.proofs.bound_token(token)
    }

    /// Waits until everything that is on its way has come into the cache and been saved, also for calls that were given up.
    pub async fn idle(&self) {
        self.0.driver.idle().await;
    }

    /// Begins no more refreshes in the background, and is [idle](Self::idle) then: before the runtime ends. Calls still serve.
    pub async fn close(&self) {
        self.0.closed.store(true, Ordering::SeqCst);
        self.0.driver.idle().await;
    }

    /// Looks into the token cache. No token is stored meanwhile: be quick.
    pub fn with_token_cache<R>(&self, read: impl FnOnce(&TokenCache) -> R) -> R {
        self.0.driver.with_store(|store| read(&store.tokens))
    }

    /// The application as the core sees it.
    pub fn client(&self) -> &Client {
        self.0.proofs.client()
    }

    /// Who answers for the application itself.
    pub(crate) fn asks(&self) -> &SharedAsks {
        &self.0.asks
    }

    /// What can be found without a machine: the way of nearly every call in a long life.
    #[inline]
    pub(crate) fn at_hand(&self, find: impl FnOnce(&Client, &Store, Clock) -> Option<Token>) -> Option<Token> {
        self.0.driver.at_hand(|store, clock| find(self.client(), store, clock))
    }

    /// What a machine finds without asking anybody.
    pub(crate) async fn peek<F: Flow>(&self, flow: F) -> Option<F::Output> {
        self.0.driver.peek(self.client(), flow).await
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
        self.finish_with(flow, self.0.asks.clone()).await
    }

    /// The same with others to answer.
    pub(crate) async fn finish_with<F>(&self, flow: F, asks: SharedAsks) -> Result<F::Output, Error>
    where
        F: Flow + Send + 'static,
        F::Output: Send + 'static,
    {
        let (own, run) = (self.clone(), self.0.driver.begin());
        let task = tokio::spawn(async move {
            let result = own.0.driver.drive(own.client(), flow, &asks).await;
            drop(run);
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
        let client = self.client();
        let Inner { driver, flights, .. } = &*self.0;
        let cached = driver.cached(client, flow(client)?).await;
        if let Cached::Fresh(token) = cached {
            return Ok(token);
        }
        let own = driver.with_store(|store| key(client, store.memory.process_key()));
        if let Cached::Aging(token) = cached {
            driver.tell(Event::Hit);
            if let Some(lead) = self.lead_behind(own) {
                let shared = driver.lease_key().await.map(|shared| key(client, &shared));
                self.refresh(lead, shared, flow(client)?);
            }
            return Ok(token);
        }
        loop {
            let (mut awaited, lead) = flights.join(own);
            let leads = lead.is_some();
            if let Some(lead) = lead {
                match self.leased(&key, &flow).await? {
                    Leased::Token(token) => lead.land(Ok(token)),
                    Leased::Go(lease) => self.take_off(lead, lease, flow(client)?, flow(client)?),
                }
            }
            let begun = driver.now().mono;
            if let Ok(outcome) = awaited.wait_for(Option::is_some).await
                && let Some(outcome) = &*outcome
            {
                if !leads {
                    driver.tell(Event::Waited { ms: driver.now().mono.since(begun).0 });
                }
                return outcome.clone();
            }
            // The runtime shuts down, and would not run another task either.
            if leads {
                return Err(cancelled(client));
            }
        }
    }

    /// Waits for the lease, where the store has any; meanwhile another process may bring the token.
    async fn leased<F: Flow<Output = Token>>(
        &self,
        key: &impl Fn(&Client, &ProcessKey) -> AcquireKey,
        flow: &impl Fn(&Client) -> Result<F, Error>,
    ) -> Result<Leased, Error> {
        let (client, driver) = (self.client(), &self.0.driver);
        let Some(shared) = driver.lease_key().await else { return Ok(Leased::Go(None)) };
        let key = key(client, &shared);
        let deadline = driver.now().mono.after(client.settings().operation_budget);
        loop {
            let lease = match driver.lease(key).await {
                Lease::Granted(lease) => Some(OffThread(Some(lease))),
                Lease::Busy(span) if driver.now().mono < deadline => {
                    driver.pause(span).await;
                    None
                }
                _ => return Ok(Leased::Go(None)),
            };
            if let Some(token) = driver.peek(client, flow(client)?).await {
                return Ok(Leased::Token(token));
            }
            if lease.is_some() {
                return Ok(Leased::Go(lease));
            }
        }
    }

    /// Acquires for all who wait. `again` looks for what the one before has brought.
    fn take_off<F>(&self, lead: Lead<Result<Token, Error>>, lease: Option<OffThread>, again: F, flow: F)
    where
        F: Flow<Output = Token> + Send + 'static,
    {
        let (own, run) = (self.clone(), self.0.driver.begin());
        let acquire = async move {
            let outcome = match own.0.driver.peek(own.client(), again).await {
                Some(token) => Ok(token),
                None => own.drive(flow).await,
            };
            drop(lease);
            lead.land(outcome);
            drop(run);
        };
        tokio::spawn(acquire.instrument(tracing::debug_span!("acquire")));
    }

    /// The lead for a renewal that nobody waits for.
    fn lead_behind(&self, key: AcquireKey) -> Option<Lead<Result<Token, Error>>> {
        if self.0.closed.load(Ordering::SeqCst) {
            return None;
        }
        self.0.flights.lead(key, self.0.driver.now().mono)
    }

    /// Renews a token that still serves; nobody waits for it, and nobody hears of its failure.
    fn refresh<F>(&self, lead: Lead<Result<Token, Error>>, shared: Option<AcquireKey>, flow: F)
    where
        F: Flow<Output = Token> + Send + 'static,
    {
        let (own, run) = (self.clone(), self.0.driver.begin());
        let refresh = async move {
            let lease = match shared {
                None => None,
                Some(key) => match own.0.driver.lease(key).await {
                    Lease::Granted(lease) => Some(OffThread(Some(lease))),
                    // Another process renews it, and the store will have it.
                    Lease::Busy(span) => {
                        let now = own.0.driver.now().mono;
                        return lead.rest(now, now.after(span));
                    }
                    _ => None,
                },
            };
            let outcome = own.0.driver.drive_for(own.client(), flow, &own.0.asks, false).await;
            drop(lease);
            let renewed = outcome.as_ref().is_ok_and(|token| token.source() != TokenSource::Cache);
            own.0.driver.tell(Event::Refreshed { renewed });
            if !renewed {
                let now = own.0.driver.now().mono;
                lead.rest(now, now.after(REST));
            }
            lead.land(outcome);
            drop(run);
        };
        tokio::spawn(refresh.instrument(tracing::debug_span!("refresh")));
    }
}

/// What came of waiting for a lease.
enum Leased {
    /// Another process has brought it.
    Token(Token),
    /// Ask; with the lease, where there are any.
    Go(Option<OffThread>),
}

/// A lease that is given back where one may block.
struct OffThread(Option<Granted>);

impl Drop for OffThread {
    fn drop(&mut self) {
        let lease = self.0.take();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(lease))),
            Err(_) => drop(lease),
        }
    }
}

/// Proofs are made here: nothing is sent for them.
struct Nowhere;

impl sansal_std::HttpClient for Nowhere {
    fn send(&self, _: &Request) -> Result<HttpResponse, SendError> {
        Err(SendError::NotSent)
    }
}

impl fmt::Debug for ClientApplication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client().fmt(f)
    }
}

fn cancelled(client: &Client) -> Error {
    Error::Unreachable { host: client.authority().host().to_owned(), why: SendError::Cancelled }
}
