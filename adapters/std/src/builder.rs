//! What a confidential client is made of, and the checks of it as a whole.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sansal::cache::TokenCache;
use sansal::client::{Client, Credential, InstanceDiscovery, Region, Settings};
use sansal::error::{AskError, Config, Error};
use sansal::limits::MAX_CLAIMS;
use sansal::time::Millis;
use sansal::{Secret, Store, json};

use crate::asks::AssertionContext;
use crate::certificate::CertificateCredential;
use crate::clock::{SystemClock, Time, platform};
use crate::confidential::{AssertionCallback, ConfidentialClient, Own};
use crate::driver::Driver;
use crate::environment::Environment;
use crate::environment::{EnvironmentCredential, read_assertion};
use crate::http::HttpClient;
use crate::persistence::Persistence;
use crate::pfx::X5c;
use crate::random::SystemRandom;
use crate::setup::SetupError;
use crate::ureq_client::{ProxyChoice, UreqClient, UreqClientBuilder};

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
    regions: Option<(Option<String>, Option<String>)>,
    http: Option<Arc<dyn HttpClient>>,
    ureq: UreqClientBuilder,
    ureq_configured: bool,
    time: Arc<dyn Time>,
    tokens: Option<TokenCache>,
    persistence: Option<Arc<dyn Persistence>>,
}

impl ConfidentialClientBuilder {
    pub(crate) fn new(client_id: &str) -> Self {
        Self {
            client_id: client_id.to_owned(),
            authority: None,
            oidc_authority: None,
            credential: None,
            client_claims: None,
            settings: Settings::default(),
            regions: None,
            http: None,
            ureq: UreqClient::builder(),
            ureq_configured: false,
            time: Arc::new(SystemClock),
            tokens: None,
            persistence: None,
        }
    }

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

    /// The key and the certificate in a PKCS#12 (PFX) file, which is opened by [`build`](Self::build). For one on disk
    /// there is [`CertificateCredential::file`].
    #[must_use]
    pub fn pfx(self, bytes: &[u8], passphrase: Option<Secret>, x5c: X5c) -> Self {
        let credential = CertificateCredential::pfx(bytes).x5c(x5c);
        self.certificate(match passphrase {
            Some(passphrase) => credential.passphrase(passphrase),
            None => credential,
        })
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

    /// Gets application tokens from an endpoint of this Azure region, of the one this machine is in, or of none. Without
    /// it `MSAL_FORCE_REGION` counts, as at MSAL.
    #[must_use]
    pub fn azure_region(mut self, region: Region) -> Self {
        self.settings.region = region;
        self
    }

    /// Takes `REGION_NAME` and `MSAL_FORCE_REGION` from here, not from this process.
    #[must_use]
    pub fn environment_regions(mut self, environment: &Environment) -> Self {
        self.regions = Some((environment.region_name.clone(), environment.force_region.clone()));
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
        let (region_name, force_region) = match self.regions {
            Some(regions) => regions,
            None => Environment::from_process().map(|e| (e.region_name, e.force_region)).unwrap_or_default(),
        };
        settings.region_name = region_name.unwrap_or(settings.region_name);
        settings.force_region = force_region.or(settings.force_region);
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
