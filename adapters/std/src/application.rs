//! What both kinds of application do: MSAL's `ClientApplication`, blocking.

use std::fmt;
use std::sync::Arc;

use sansal::account::Account;
use sansal::accounts::{GetAccounts, RemoveAccount};
use sansal::authorization::{AuthCodeFlow, AuthorizationRequest, AuthorizationResponse};
use sansal::authorization_code::{AuthorizationCode, LegacyAuthorizationRequest};
use sansal::cache::TokenCache;
use sansal::client::Client;
use sansal::error::{AskError, CommitError, Error};
use sansal::flow::Flow;
use sansal::jose::Jwk;
use sansal::key::{Algorithm, KeyName, KeyProtection};
use sansal::keys::{AcquireKey, ProcessKey};
use sansal::refresh_token::RefreshTokenImport;
use sansal::silent::Silent;
use sansal::time::Clock;
use sansal::username_password::UsernamePassword;
use sansal::{Endpoint, Secret, Store, Token};

use crate::asks::{Asks, AssertionContext};
use crate::driver::Driver;
use crate::lease::Lease;
use crate::proof::Proofs;
use crate::signing_key::Keys;

/// The methods of [`PublicClient`](crate::PublicClient) and [`ConfidentialClient`](crate::ConfidentialClient) that do
/// not depend on the kind. Both hand out a reference to it by `Deref`: call the methods on the client itself.
///
/// Names are MSAL's. What MSAL hands to a broker (`enable_broker_on_…`, `parent_window_handle`) is not here: there is no broker,
/// tokens always come from the server. Proof of possession (`auth_scheme`), which MSAL leaves to the broker, is done here: ask
/// with `bound(&client.pop()?)` or `bound(&client.dpop()?)`, or for all tokens with `auth_scheme` of the builder, and hand what
/// comes back to [`bound_token`](Self::bound_token).
pub struct ClientApplication {
    pub(crate) driver: Arc<Driver>,
    pub(crate) own: Arc<Own>,
    pub(crate) proofs: Proofs,
}

impl ClientApplication {
    /// A token for a user who has signed in before, from the cache or by a refresh token.
    ///
    /// # Errors
    /// [`Error::InteractionRequired`] when the user has to sign in (again); any other [`Error`] says what to do.
    pub fn acquire_token_silent<S: AsRef<str>>(&self, scopes: &[S], account: &Account) -> Result<Token, Error> {
        let find = |client: &_, store: &_, clock| Silent::at_hand(account, scopes, client, store, clock);
        match self.at_hand(find) {
            Some(token) => Ok(token),
            None => self.acquire_token_silent_with(&Silent::new(account, scopes)?),
        }
    }

    /// The same with everything that can be asked for: tenant, claims challenge, a forced refresh.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub fn acquire_token_silent_with(&self, request: &Silent) -> Result<Token, Error> {
        self.acquire(|client, shared| request.key(client, shared), |client| request.flow(client))
    }

    /// The users who have signed in and are remembered; those with this name, if one is given (in any case).
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub fn get_accounts(&self, username: Option<&str>) -> Result<Vec<Account>, Error> {
        self.drive(GetAccounts::new().username(username.unwrap_or_default()))
    }

    /// Forgets a user and all tokens of theirs on this machine; the browser's session with the server stays. The inner
    /// result tells whether the removal could be persisted.
    ///
    /// # Errors
    /// [`Error`] when nothing was forgotten.
    pub fn remove_account(&self, account: &Account) -> Result<Result<(), CommitError>, Error> {
        self.drive(RemoveAccount::new(account))
    }

    /// The first leg of the authorization code flow (RFC 6749 s4.1, RFC 7636): send the browser to
    /// [`auth_uri`](AuthCodeFlow::auth_uri), and keep the flow in the user's session until it is back.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub fn initiate_auth_code_flow(&self, request: &AuthorizationRequest) -> Result<AuthCodeFlow, Error> {
        self.drive(request.initiate())
    }

    /// The second leg: a token for what the browser brought. State, issuer and nonce are checked. A flow serves once: take it
    /// out of the session before this is called.
    ///
    /// # Errors
    /// [`Error::BadResponse`] when the answer does not belong to this flow; [`Error::Refused`] and
    /// [`Error::InteractionRequired`] are the server's words, `access_denied` among them.
    pub fn acquire_token_by_auth_code_flow(
        &self,
        flow: &AuthCodeFlow,
        response: AuthorizationResponse,
    ) -> Result<Token, Error> {
        self.drive(flow.redeem(self.client(), response)?)
    }

    /// The address of an authorization request without proof key: MSAL's deprecated way. Use
    /// [`initiate_auth_code_flow`](Self::initiate_auth_code_flow) in anything new.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub fn get_authorization_request_url(&self, request: &LegacyAuthorizationRequest) -> Result<Endpoint, Error> {
        self.drive(request.url())
    }

    /// A token for a bare authorization code: MSAL's deprecated way. Use
    /// [`acquire_token_by_auth_code_flow`](Self::acquire_token_by_auth_code_flow) in anything new.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub fn acquire_token_by_authorization_code(&self, code: &AuthorizationCode) -> Result<Token, Error> {
        self.drive(code.flow(self.client())?)
    }

    /// A token for a refresh token that another library kept: for moving to this one. From then on the user is among the
    /// [accounts](Self::get_accounts).
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub fn acquire_token_by_refresh_token<S: AsRef<str>>(
        &self,
        refresh_token: &str,
        scopes: &[S],
    ) -> Result<Token, Error> {
        self.drive(RefreshTokenImport::new(refresh_token, scopes)?.flow(self.client())?)
    }

    /// A token for a user's name and password (RFC 6749 s4.3): only for what cannot be done otherwise. Users of a federated
    /// domain need `allow_federation` at the builder, since their password goes to another server.
    ///
    /// # Errors
    /// [`Error::Refused`] and [`Error::Fault`] for a wrong password, by Entra and by a federation server: do not repeat it.
    /// [`Error::InteractionRequired`] where the server wants more than a password.
    pub fn acquire_token_by_username_password<S: AsRef<str>>(
        &self,
        username: &str,
        password: &str,
        scopes: &[S],
    ) -> Result<Token, Error> {
        self.acquire_token_by_username_password_with(&UsernamePassword::new(username, password, scopes)?)
    }

    /// The same with a claims challenge.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub fn acquire_token_by_username_password_with(&self, request: &UsernamePassword) -> Result<Token, Error> {
        self.drive(request.flow(self.client())?)
    }

    /// Looks into the token cache, for example to write it to a file. No token is stored meanwhile: be quick.
    pub fn with_token_cache<R>(&self, read: impl FnOnce(&TokenCache) -> R) -> R {
        self.driver.with_store(|store| read(&store.tokens))
    }

    /// The application as the core sees it.
    pub fn client(&self) -> &Client {
        self.proofs.client()
    }

    pub(crate) fn new(client: Client, driver: Driver, own: Own) -> Self {
        let (driver, own) = (Arc::new(driver), Arc::new(own));
        let proofs = Proofs::new(client, driver.clone(), own.clone());
        Self { driver, own, proofs }
    }

    /// A token in memory that needs neither renewal nor machine.
    pub(crate) fn at_hand(&self, find: impl FnOnce(&Client, &Store, Clock) -> Option<Token>) -> Option<Token> {
        self.driver.at_hand(|store, clock| find(self.client(), store, clock))
    }

    /// A token from the cache; else, where the store has leases, one acquisition at a time for each key, whichever process it is in.
    pub(crate) fn acquire<F: Flow<Output = Token>>(
        &self,
        key: impl Fn(&Client, &ProcessKey) -> AcquireKey,
        flow: impl Fn(&Client) -> Result<F, Error>,
    ) -> Result<Token, Error> {
        let (client, time) = (self.client(), self.driver.time_source());
        let Some(store) = self.driver.leases() else { return self.drive(flow(client)?) };
        let peek = || Ok::<_, Error>(self.driver.peek(client, flow(client)?));
        let deadline = time.now().mono.after(client.settings().operation_budget);
        let _lease = loop {
            if let Some(token) = peek()? {
                return Ok(token);
            }
            match store.lease_key().map_or(Lease::Free, |shared| store.lease(&key(client, &shared))) {
                Lease::Granted(lease) => {
                    // What the one before has brought.
                    if let Some(token) = peek()? {
                        return Ok(token);
                    }
                    break Some(lease);
                }
                Lease::Busy(span) if time.now().mono < deadline => time.sleep(span),
                _ => break None,
            }
        };
        self.drive(flow(client)?)
    }

    /// Drives a machine that needs nobody but servers and the application's own credential.
    pub(crate) fn drive<F: Flow>(&self, flow: F) -> Result<F::Output, Error> {
        self.driver.drive(self.client(), flow, &*self.own)
    }
}

impl fmt::Debug for ClientApplication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client().fmt(f)
    }
}

/// Makes a client assertion.
pub(crate) type AssertionCallback = dyn Fn(&AssertionContext) -> Result<Secret, AskError> + Send + Sync;

/// What the client answers by itself.
#[derive(Default)]
pub(crate) struct Own {
    pub(crate) keys: Keys,
    pub(crate) callback: Option<Box<AssertionCallback>>,
}

impl Asks for Own {
    fn sign(&self, key: &KeyName, alg: Algorithm, message: &[u8]) -> Result<Vec<u8>, AskError> {
        self.keys.sign(key, alg, message)
    }

    fn public_key(&self, key: &KeyName) -> Result<(Jwk, KeyProtection), AskError> {
        self.keys.public_key(key)
    }

    fn generate_key(&self, alg: Algorithm) -> Result<KeyName, AskError> {
        self.keys.generate_key(alg)
    }

    fn assertion(&self, context: &AssertionContext) -> Result<Secret, AskError> {
        self.callback.as_ref().ok_or(AskError::NotSupported)?(context)
    }
}
