//! An application with a credential: MSAL's `ConfidentialClientApplication`, blocking.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sansal::cache::TokenCache;
use sansal::client::{Client, Credential, InstanceDiscovery, Settings};
use sansal::error::{AskError, CommitError, Config, Error};
use sansal::key::{Algorithm, KeyName};
use sansal::limits::MAX_CLAIMS;
use sansal::time::Millis;
use sansal::{ClientCredentials, RemoveTokensForClient, Secret, Store, Token, json};

use crate::asks::{Asks, AssertionContext};
use crate::certificate::CertificateCredential;
use crate::clock::{SystemClock, Time, platform};
use crate::driver::Driver;
use crate::environment::{Environment, EnvironmentCredential, read_assertion};
use crate::http::HttpClient;
use crate::keys::RingKeys;
use crate::persistence::Persistence;
use crate::random::SystemRandom;
use crate::setup::SetupError;
use crate::ureq_client::{ProxyChoice, UreqClient, UreqClientBuilder};

/// An application that proves itself with a secret, a certificate or an assertion, and gets tokens on its own behalf.
///
/// Tokens are kept in memory and served from there until shortly before they end. One client serves many threads.
pub struct ConfidentialClient {
    client: Client,
    driver: Driver,
    own: Own,
}

impl ConfidentialClient {
    /// Starts with the application (client) id of the registration.
    pub fn builder(client_id: &str) -> ConfidentialClientBuilder {
        ConfidentialClientBuilder {
            client_id: client_id.to_owned(),
            authority: None,
            oidc_authority: None,
            credential: None,
            client_claims: None,
            settings: Settings::default(),
            http: None,
            ureq: UreqClient::builder(),
            ureq_configured: false,
            time: Arc::new(SystemClock),
            tokens: None,
            persistence: None,
        }
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
        let builder = Self::builder(environment.client_id()?).authority(&environment.authority()?);
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
type AssertionCallback = dyn Fn(&AssertionContext) -> Result<Secret, AskError> + Send + Sync;

/// What the client answers by itself.
#[derive(Default)]
struct Own {
    keys: RingKeys,
    callback: Option<Box<AssertionCallback>>,
}

impl Asks for Own {
    fn sign(&self, key: &KeyName, alg: Algorithm, message: &[u8]) -> Result<Vec<u8>, AskError> {
        self.keys.sign(key, alg, message)
    }

    fn assertion(&self, context: &AssertionContext) -> Result<Secret, AskError> {
        self.callback.as_ref().ok_or(AskError::NotSupported)?(context)
    }
}

/// How a builder was told to prove the application.
enum Proof {
    Secret(Secret),
    Certificate(Box<CertificateCredential>),
    Assertion(Secret),
    Callback(Box<AssertionCallback>),
}

/// Collects what a [`ConfidentialClient`] is made of; [`build`](Self::build) checks it as a whole.
pub struct ConfidentialClientBuilder {
    client_id: String,
    authority: Option<String>,
    oidc_authority: Option<String>,
    credential: Option<Proof>,
    client_claims: Option<String>,
    settings: Settings,
    http: Option<Arc<dyn HttpClient>>,
    ureq: UreqClientBuilder,
    ureq_configured: bool,
    time: Arc<dyn Time>,
    tokens: Option<TokenCache>,
    persistence: Option<Arc<dyn Persistence>>,
}

impl ConfidentialClientBuilder {
    /// The authority, `https://host/tenant`.
    #[must_use]
    pub fn authority(mut self, authority: &str) -> Self {
        self.authority = Some(authority.to_owned());
        self.oidc_authority = None;
        self
    }

    /// The issuer of any OpenID Connect provider, in place of an authority.
    #[must_use]
    pub fn oidc_authority(mut self, issuer: &str) -> Self {
        self.oidc_authority = Some(issuer.to_owned());
        self.authority = None;
        self
    }

    /// A client secret. Like each of the credentials it replaces the one before.
    #[must_use]
    pub fn secret(mut self, secret: impl Into<Secret>) -> Self {
        self.credential = Some(Proof::Secret(secret.into()));
        self
    }

    /// A key with its certificate.
    #[must_use]
    pub fn certificate(mut self, certificate: CertificateCredential) -> Self {
        self.credential = Some(Proof::Certificate(Box::new(certificate)));
        self
    }

    /// A ready-made client assertion, good until it ends.
    #[must_use]
    pub fn assertion(mut self, assertion: impl Into<Secret>) -> Self {
        self.credential = Some(Proof::Assertion(assertion.into()));
        self
    }

    /// A function that makes a client assertion; called for each token request.
    #[must_use]
    pub fn assertion_callback(
        mut self,
        callback: impl Fn(&AssertionContext) -> Result<Secret, AskError> + Send + Sync + 'static,
    ) -> Self {
        self.credential = Some(Proof::Callback(Box::new(callback)));
        self
    }

    /// A file with a client assertion that somebody renews; read for each token request.
    #[must_use]
    pub fn assertion_file(self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_owned();
        self.assertion_callback(move |_| read_assertion(&path))
    }

    /// The credential that the environment names.
    ///
    /// # Errors
    /// [`SetupError::File`] when a certificate cannot be read.
    pub fn environment_credential(self, credential: EnvironmentCredential) -> Result<Self, SetupError> {
        Ok(match credential {
            EnvironmentCredential::Secret(secret) => self.secret(secret),
            EnvironmentCredential::TokenFile(path) => self.assertion_file(path),
            EnvironmentCredential::Certificate { path, passphrase, thumbprint } => {
                let mut certificate = CertificateCredential::file(path)?;
                if let Some(passphrase) = passphrase {
                    certificate = certificate.passphrase(passphrase);
                }
                if let Some(thumbprint) = thumbprint {
                    certificate = certificate.thumbprint(&thumbprint);
                }
                self.certificate(certificate)
            }
        })
    }

    /// Members for the client assertion, a JSON object; they override the standard ones (RFC 7523 s3).
    #[must_use]
    pub fn client_claims(mut self, json: &str) -> Self {
        self.client_claims = Some(json.to_owned());
        self
    }

    /// What the application can handle, for example `CP1` (claims challenges).
    #[must_use]
    pub fn client_capabilities<S: AsRef<str>>(mut self, capabilities: &[S]) -> Self {
        self.settings.client_capabilities = capabilities.iter().map(|c| c.as_ref().to_owned()).collect();
        self
    }

    /// The application's name, for the server's logs.
    #[must_use]
    pub fn app_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.settings.app_name);
        self
    }

    /// The application's version, for the server's logs.
    #[must_use]
    pub fn app_version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.settings.app_version);
        self
    }

    /// Whether unknown authority hosts are looked up with Microsoft.
    #[must_use]
    pub fn instance_discovery(mut self, discovery: InstanceDiscovery) -> Self {
        self.settings.instance_discovery = discovery;
        self
    }

    /// Lets requests leave for this host too, should the authority's metadata name it.
    #[must_use]
    pub fn allow_host(mut self, host: &str) -> Self {
        self.settings.allowed_hosts.push(host.to_owned());
        self
    }

    /// Time for one attempt of one request. Default: 30 s.
    #[must_use]
    pub fn attempt_timeout(mut self, span: Duration) -> Self {
        self.settings.attempt_timeout = millis(span);
        self
    }

    /// Time for a whole acquisition, waits included. Default: 120 s.
    #[must_use]
    pub fn operation_budget(mut self, span: Duration) -> Self {
        self.settings.operation_budget = millis(span);
        self
    }

    /// Whether names of applications, tenants and users may appear in logs. Secrets and tokens never do.
    #[must_use]
    pub fn enable_pii_log(mut self, enable: bool) -> Self {
        self.settings.enable_pii_log = enable;
        self
    }

    /// Everything at once; replaces what the methods above have set.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Sends requests by another HTTP client.
    #[must_use]
    pub fn http_client(mut self, http: impl HttpClient + 'static) -> Self {
        self.http = Some(Arc::new(http));
        self
    }

    /// Trusts the certificates in this PEM too.
    #[must_use]
    pub fn extra_roots(mut self, pem: &[u8]) -> Self {
        self.ureq = self.ureq.extra_roots(pem);
        self.ureq_configured = true;
        self
    }

    /// Trusts nothing but the [`extra_roots`](Self::extra_roots).
    #[must_use]
    pub fn only_extra_roots(mut self) -> Self {
        self.ureq = self.ureq.only_extra_roots();
        self.ureq_configured = true;
        self
    }

    /// Which proxy to use. Default: what the environment says.
    #[must_use]
    pub fn proxy(mut self, proxy: ProxyChoice) -> Self {
        self.ureq = self.ureq.proxy(proxy);
        self.ureq_configured = true;
        self
    }

    /// Time to find and connect to a server. Default: 10 s.
    #[must_use]
    pub fn connect_timeout(mut self, span: Duration) -> Self {
        self.ureq = self.ureq.connect_timeout(span);
        self.ureq_configured = true;
        self
    }

    /// Begins with these tokens.
    #[must_use]
    pub fn token_cache(mut self, tokens: TokenCache) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Keeps tokens elsewhere too.
    #[must_use]
    pub fn persistence(mut self, persistence: impl Persistence + 'static) -> Self {
        self.persistence = Some(Arc::new(persistence));
        self
    }

    /// Counts by another clock: for tests.
    #[must_use]
    pub fn time(mut self, time: impl Time + 'static) -> Self {
        self.time = Arc::new(time);
        self
    }

    /// Checks it all. Nothing is sent yet.
    ///
    /// # Errors
    /// [`SetupError`] says what does not fit.
    pub fn build(self) -> Result<ConfidentialClient, SetupError> {
        let mut own = Own::default();
        let credential = match self.credential {
            None => {
                return Err(Config::Credential("there is none: give a secret, a certificate or an assertion").into());
            }
            Some(Proof::Secret(secret)) if secret.is_empty() => {
                return Err(Config::Credential("the secret is empty").into());
            }
            Some(Proof::Secret(secret)) => Credential::secret(secret),
            Some(Proof::Assertion(assertion)) if assertion.is_empty() => {
                return Err(Config::Credential("the assertion is empty").into());
            }
            Some(Proof::Assertion(assertion)) => Credential::Assertion(assertion),
            Some(Proof::Callback(callback)) => {
                own.callback = Some(callback);
                Credential::AssertionCallback
            }
            Some(Proof::Certificate(certificate)) => {
                let (credential, keys) = certificate.open()?;
                own.keys = keys;
                credential
            }
        };
        let mut settings = self.settings;
        if settings.platform == Settings::default().platform {
            platform().clone_into(&mut settings.platform);
        }
        let mut client = Client::builder(&self.client_id).credential(credential).settings(settings);
        if let Some(authority) = &self.authority {
            client = client.authority(authority);
        }
        if let Some(issuer) = &self.oidc_authority {
            client = client.oidc_authority(issuer);
        }
        if let Some(text) = &self.client_claims {
            let claims =
                json::parse_object(text.as_bytes(), MAX_CLAIMS).map_err(|_| Config::Claims("client_claims"))?;
            client = client.client_claims(claims);
        }
        let client = client.build()?;
        let http = match self.http {
            Some(_) if self.ureq_configured => {
                return Err(SetupError::Contradiction(
                    "roots, proxy and connect time-out are the default HTTP client's: configure your own HTTP client itself",
                ));
            }
            Some(http) => http,
            None => Arc::new(self.ureq.build()?),
        };
        let mut store = Store::new(&mut SystemRandom).map_err(Error::from)?;
        store.tokens = self.tokens.unwrap_or_default();
        let mut driver = Driver::new(http, store).time(self.time);
        if let Some(persistence) = self.persistence {
            driver = driver.persistence(persistence);
        }
        Ok(ConfidentialClient { client, driver, own })
    }
}

impl fmt::Debug for ConfidentialClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfidentialClientBuilder").field("authority", &self.authority).finish_non_exhaustive()
    }
}

fn millis(span: Duration) -> Millis {
    Millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}
