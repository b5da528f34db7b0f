//! Tokens that are bound to a key of the client, and the proofs for requests with them: signed HTTP requests, DPoP (RFC 9449).

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use sansal::client::Client;
use sansal::error::{AskError, Config, Error};
use sansal::http::{Response, ResponseHeader};
use sansal::key::{Algorithm, KeyName};
use sansal::pop::dpop::{self, Proof};
use sansal::pop::shr::{Profile, SignedRequest};
use sansal::pop::{PopKey, nonce};
use sansal::prove::Prove;
use sansal::{Binding, PopAuthScheme, Secret, Token};

use crate::application::ClientApplication;
use crate::asks::{Asks, AssertionContext};
use crate::driver::Driver;
use crate::random::SystemRandom;

/// Servers whose nonces are kept at the same time. One that is forgotten costs a request.
const MAX_NONCES: usize = 256;

/// What a client proves with.
pub(crate) struct Prover {
    /// The application with the key.
    pub(crate) client: Client,
    driver: Arc<Driver>,
    asks: Arc<dyn Asks + Send + Sync>,
    /// The newest nonce of each resource server, by scheme and origin.
    nonces: Mutex<BTreeMap<(Kind, String), String>>,
}

/// How a token is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Pop,
    Dpop,
}

/// An application, and the key that its tokens are bound to.
pub struct Proofs {
    client: Client,
    driver: Arc<Driver>,
    asks: Arc<dyn Asks + Send + Sync>,
    /// From the first time that something is proved.
    prover: OnceLock<Arc<Prover>>,
}

impl Proofs {
    /// With whoever drives the machines that sign, and answers what they ask.
    pub fn new(client: Client, driver: Arc<Driver>, asks: Arc<dyn Asks + Send + Sync>) -> Self {
        Self { client, driver, asks, prover: OnceLock::new() }
    }

    /// The application as the core sees it, with the key from when there is one.
    pub fn client(&self) -> &Client {
        self.prover.get().map_or(&self.client, |prover| &prover.client)
    }

    /// As [`ClientApplication::pop_key`].
    ///
    /// # Errors
    /// [`Error::NoEntropy`] when the system has no random bytes.
    pub fn pop_key(&self) -> Result<&PopKey, Error> {
        self.prover()?.key().map_err(Error::from)
    }

    /// As [`ClientApplication::bound_token`].
    ///
    /// # Errors
    /// [`Config::NotBound`] for any other token.
    pub fn bound_token(&self, token: Token) -> Result<BoundToken, Error> {
        let kind = match token.token_type() {
            text if text.eq_ignore_ascii_case("pop") => Kind::Pop,
            text if text.eq_ignore_ascii_case(dpop::TOKEN_TYPE) => Kind::Dpop,
            _ => return Err(Config::NotBound("pop or DPoP").into()),
        };
        Ok(BoundToken { token, kind, prover: self.prover()?.clone() })
    }

    fn prover(&self) -> Result<&Arc<Prover>, Error> {
        if let Some(prover) = self.prover.get() {
            return Ok(prover);
        }
        let client = match self.client.dpop_key() {
            Some(_) => self.client.clone(),
            None => self.client.with_dpop_key(PopKey::generate(&mut SystemRandom)?),
        };
        let (driver, asks) = (self.driver.clone(), self.asks.clone());
        // Of two threads one makes the key that counts.
        Ok(self.prover.get_or_init(|| Arc::new(Prover { client, driver, asks, nonces: Mutex::default() })))
    }
}

impl fmt::Debug for Proofs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proofs").field("client", self.client()).finish_non_exhaustive()
    }
}

impl ClientApplication {
    /// The key that tokens are bound to: the one that the builder was given (`proof_key`), else an ES256 key that is made now
    /// and kept as long as the client. It is stored nowhere, and the tokens that are bound to it are worth nothing without it.
    ///
    /// # Errors
    /// [`Error::NoEntropy`] when the system has no random bytes.
    pub fn pop_key(&self) -> Result<&PopKey, Error> {
        self.proofs.pop_key()
    }

    /// For a request's `bound`: a token for signed HTTP requests (MSAL's `auth_scheme`). What comes back goes to
    /// [`bound_token`](Self::bound_token).
    ///
    /// # Errors
    /// [`Error::NoEntropy`] when a key had to be made and the system has no random bytes.
    pub fn pop(&self) -> Result<Binding, Error> {
        Ok(Binding::pop(self.pop_key()?.jwk()))
    }

    /// For a request's `bound`: a DPoP token (RFC 9449). The token request itself carries a proof, and refresh tokens of a
    /// public client are bound to the key too.
    ///
    /// # Errors
    /// [`Error::NoEntropy`] when a key had to be made and the system has no random bytes.
    pub fn dpop(&self) -> Result<Binding, Error> {
        Ok(Binding::dpop(self.pop_key()?.jwk()))
    }

    /// Whether tokens can be bound to a key (`is_pop_supported` of MSAL): always, and without a broker.
    pub fn is_pop_supported(&self) -> bool {
        self.client().is_pop_supported()
    }

    /// A bound token with what it takes to use it. Nothing is sent, now or later.
    ///
    /// # Errors
    /// [`Config::NotBound`] for any other token.
    pub fn bound_token(&self, token: Token) -> Result<BoundToken, Error> {
        self.proofs.bound_token(token)
    }
}

impl Prover {
    fn key(&self) -> Result<&PopKey, Config> {
        self.client.dpop_key().ok_or(Config::ProofKey)
    }

    fn prove(&self, proof: Prove<'_>) -> Result<Secret, Error> {
        self.driver.drive(&self.client, proof, &*self.asks)
    }
}

/// A token that is bound to the client's key, and the proofs for requests with it: each is made anew, without the network, until
/// the token ends. Owned, and for many threads.
///
/// ```no_run
/// # fn send(_headers: &[(&str, sansal_std::Secret)]) -> (u16, Vec<(String, String)>) { (200, Vec::new()) }
/// use sansal_std::{PublicClient, sansal::Silent};
///
/// let client = PublicClient::builder("your-application-id").build()?;
/// let account = &client.get_accounts(None)?[0];
/// let request = Silent::new(account, &["https://resource.example/read"])?.bound(&client.pop()?);
/// let token = client.bound_token(client.acquire_token_silent_with(&request)?)?;
///
/// let url = "https://resource.example/things?kind=new";
/// let (status, answer) = send(&token.headers("GET", url)?);
/// if status == 401 && token.learn(url, &answer)? {
///     send(&token.headers("GET", url)?); // the resource had asked for its nonce
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct BoundToken {
    token: Token,
    kind: Kind,
    prover: Arc<Prover>,
}

impl BoundToken {
    /// The token itself.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// The signed HTTP request (SHR) for this request, in the words of Entra's libraries and with the nonce of the resource's
    /// challenge: what MSAL gives as `access_token` when it is called with such an `auth_scheme`. It belongs behind
    /// `Authorization: PoP`.
    ///
    /// # Errors
    /// [`Config::NotBound`] for a DPoP token, [`Config::ResourceAddress`]; what keeps the key from signing.
    pub fn sign_request(&self, scheme: &PopAuthScheme) -> Result<Secret, Error> {
        self.sign_request_as(&scheme.request())
    }

    /// The same for any method, in either [profile](Profile); where there is no nonce, with the one that was
    /// [learned](Self::learn) from this server, if any.
    ///
    /// # Errors
    /// As [`sign_request`](Self::sign_request), and [`Config::HttpMethod`] for what is no method.
    pub fn sign_request_as(&self, request: &SignedRequest<'_>) -> Result<Secret, Error> {
        self.must_be(Kind::Pop)?;
        let learned;
        let mut request = *request;
        if request.nonce.is_none() {
            learned = self.learned(request.url)?;
            request.nonce = learned.as_deref();
        }
        let token = Secret::from(self.token.access_token());
        self.prover.prove(Prove::signed_request(request, &token, self.prover.key()?))
    }

    /// The DPoP proof for this request (RFC 9449 s7): bound to the token by `ath`, with the nonce that was
    /// [learned](Self::learn) from this server, if any. The value of a `DPoP` header; the token belongs behind
    /// `Authorization: DPoP`.
    ///
    /// # Errors
    /// [`Config::NotBound`] for a PoP token, [`Config::HttpMethod`], [`Config::ResourceAddress`]; what keeps the key from
    /// signing.
    pub fn dpop_proof(&self, method: &str, url: &str) -> Result<Secret, Error> {
        self.must_be(Kind::Dpop)?;
        let learned = self.learned(url)?;
        let proof = Proof { method, url, access_token: Some(self.token.access_token()), nonce: learned.as_deref() };
        self.prover.prove(Prove::dpop(proof, self.prover.key()?))
    }

    /// The headers that this request to a resource needs: `Authorization`, and with a DPoP token `DPoP`. They serve once.
    ///
    /// # Errors
    /// As [`sign_request_as`](Self::sign_request_as) and [`dpop_proof`](Self::dpop_proof).
    pub fn headers(&self, method: &str, url: &str) -> Result<Vec<(&'static str, Secret)>, Error> {
        match self.kind {
            Kind::Pop => {
                let profile = Profile::Entra { client_claims: None };
                let shr = self.sign_request_as(&SignedRequest { method, url, nonce: None, profile })?;
                Ok(vec![("Authorization", Secret::new(format!("PoP {}", shr.expose())))])
            }
            Kind::Dpop => {
                let proof = self.dpop_proof(method, url)?;
                let token = Secret::new(format!("DPoP {}", self.token.access_token()));
                Ok(vec![("Authorization", token), ("DPoP", proof)])
            }
        }
    }

    /// Takes the nonce from a resource's answer, of whatever status: `DPoP-Nonce`; `Authentication-Info` and
    /// `WWW-Authenticate: PoP`. Whether there was one; a request that was answered with 401 deserves one more attempt then. All
    /// tokens of the client use it for this server.
    ///
    /// # Errors
    /// [`Config::ResourceAddress`]
    pub fn learn<N: AsRef<str>, V: AsRef<str>>(&self, url: &str, headers: &[(N, V)]) -> Result<bool, Error> {
        let headers: Vec<ResponseHeader<'_>> =
            headers.iter().map(|(name, value)| ResponseHeader { name: name.as_ref(), value: value.as_ref() }).collect();
        let response = Response { status: 401, headers: &headers, body: b"" };
        let found = match self.kind {
            Kind::Pop => nonce::shr(&response),
            Kind::Dpop => nonce::dpop(&response).map(str::to_owned),
        };
        let place = (self.kind, origin(url)?);
        let Some(found) = found else { return Ok(false) };
        let mut nonces = self.prover.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        if nonces.len() >= MAX_NONCES && !nonces.contains_key(&place) {
            nonces.clear();
        }
        nonces.insert(place, found);
        Ok(true)
    }

    fn learned(&self, url: &str) -> Result<Option<String>, Error> {
        let place = (self.kind, origin(url)?);
        Ok(self.prover.nonces.lock().unwrap_or_else(PoisonError::into_inner).get(&place).cloned())
    }

    fn must_be(&self, kind: Kind) -> Result<(), Config> {
        match kind {
            _ if kind == self.kind => Ok(()),
            Kind::Pop => Err(Config::NotBound("pop")),
            Kind::Dpop => Err(Config::NotBound(dpop::TOKEN_TYPE)),
        }
    }
}

/// Scheme, host and port of a resource, normalized.
fn origin(url: &str) -> Result<String, Config> {
    let address = dpop::htu(url)?;
    Ok(address.split('/').take(3).collect::<Vec<_>>().join("/"))
}

/// The public half of the key, and of the token what [`Token`] shows.
impl fmt::Debug for BoundToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundToken").field("token", &self.token).field("key", &self.prover.client.dpop_key()).finish()
    }
}

/// Answers by the client itself and, for what it cannot do, by the host of one call.
pub struct With<A, B>(pub A, pub B);

impl<A, B> Asks for With<A, B>
where
    A: Deref<Target: Asks>,
    B: Deref<Target: Asks>,
{
    fn sign(&self, key: &KeyName, alg: Algorithm, message: &[u8]) -> Result<Vec<u8>, AskError> {
        self.0.sign(key, alg, message)
    }

    fn assertion(&self, context: &AssertionContext) -> Result<Secret, AskError> {
        self.0.assertion(context)
    }

    fn open_browser(&self, url: &str, redirect_uri: &str) -> Result<Secret, AskError> {
        self.1.open_browser(url, redirect_uri)
    }
}

impl<A, B> fmt::Debug for With<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("With(..)")
    }
}
