//! What every client is made of, whatever it proves itself with: authority, settings, HTTP, store.

use std::sync::Arc;

use sansal::Store;
use sansal::cache::{Limits, TokenCache};
use sansal::client::{AuthScheme, Client, ClientBuilder, ClientCertificate, Settings};
use sansal::error::Error;
use sansal::key::KeyName;
use sansal::pop::PopKey;

use crate::certificate::CertificateCredential;
use crate::clock::{SystemClock, Time, platform};
use crate::driver::Driver;
use crate::environment::{regions, variable};
use crate::http::HttpClient;
use crate::metrics::Metrics;
use crate::persistence::Persistence;
use crate::random::SystemRandom;
use crate::setup::SetupError;
use crate::shared_store::SharedStore;
use crate::ureq_client::{UreqClient, UreqClientBuilder};
use crate::verifier::RingVerifier;

/// The name under which a client's HTTP client holds the certificate for TLS.
const TLS_CERTIFICATE: &str = "TLS client certificate";

/// Where `REGION_NAME` and `MSAL_FORCE_REGION` come from.
type Regions = (Option<String>, Option<String>);

/// The part of a builder that all clients share.
pub(crate) struct Common {
    pub(crate) client_id: String,
    pub(crate) authority: Option<String>,
    pub(crate) oidc_authority: Option<String>,
    pub(crate) settings: Settings,
    pub(crate) proof_key: Option<PopKey>,
    pub(crate) auth_scheme: AuthScheme,
    pub(crate) client_certificate: Option<Box<CertificateCredential>>,
    pub(crate) regions: Option<Regions>,
    pub(crate) http: Option<Arc<dyn HttpClient>>,
    pub(crate) ureq: UreqClientBuilder,
    pub(crate) ureq_configured: bool,
    pub(crate) time: Option<Arc<dyn Time>>,
    pub(crate) tokens: Option<TokenCache>,
    pub(crate) limits: Limits,
    pub(crate) metrics: Option<Arc<dyn Metrics>>,
    pub(crate) persistence: Option<Arc<dyn Persistence>>,
}

impl Common {
    pub(crate) fn new(client_id: &str) -> Self {
        Self {
            client_id: client_id.to_owned(),
            authority: None,
            oidc_authority: None,
            settings: Settings::default(),
            proof_key: None,
            auth_scheme: AuthScheme::Bearer,
            client_certificate: None,
            regions: None,
            http: None,
            ureq: UreqClient::builder(),
            ureq_configured: false,
            time: None,
            tokens: None,
            limits: Limits::default(),
            metrics: None,
            persistence: None,
        }
    }

    /// Checks it all, with what the caller adds.
    ///
    /// # Errors
    /// [`SetupError`] says what does not fit.
    pub(crate) fn open(
        self,
        add: impl FnOnce(ClientBuilder) -> Result<ClientBuilder, SetupError>,
    ) -> Result<(Client, Driver), SetupError> {
        let (client, opened) = self.check(add)?;
        Ok((client, opened.driver()?))
    }

    /// The same for a host of another kind: nothing that does input or output is made.
    ///
    /// # Errors
    /// [`SetupError`] says what does not fit.
    pub(crate) fn check(
        self,
        add: impl FnOnce(ClientBuilder) -> Result<ClientBuilder, SetupError>,
    ) -> Result<(Client, Opened), SetupError> {
        let mut settings = self.settings;
        if settings.platform == Settings::default().platform {
            platform().clone_into(&mut settings.platform);
        }
        let (region_name, force_region) = match self.regions {
            Some(regions) => regions,
            None => regions(variable),
        };
        settings.region_name = region_name.unwrap_or(settings.region_name);
        settings.force_region = force_region.or(settings.force_region);
        let mut client = Client::builder(&self.client_id).verifier(&RingVerifier).settings(settings);
        if let Some(authority) = &self.authority {
            client = client.authority(authority);
        }
        if let Some(issuer) = &self.oidc_authority {
            client = client.oidc_authority(issuer);
        }
        let proof_key = match (self.proof_key, self.auth_scheme) {
            (None, AuthScheme::Pop | AuthScheme::Dpop) => Some(PopKey::generate(&mut SystemRandom)?),
            (given, _) => given,
        };
        client = client.auth_scheme(self.auth_scheme);
        if let Some(key) = proof_key {
            client = client.dpop_key(key);
        }
        let mut ureq = self.ureq;
        if let Some(credential) = self.client_certificate {
            if self.http.is_some() {
                return Err(SetupError::Contradiction(
                    "the certificate for TLS is the default HTTP client's to present: give it to your own HTTP client itself",
                ));
            }
            let (name, identity) = (KeyName(TLS_CERTIFICATE.to_owned()), credential.open_tls()?);
            client = client.client_certificate(ClientCertificate::new(name.clone(), identity.x5t_s256()));
            ureq = ureq.identity(name, identity);
        }
        let client = add(client)?.build()?;
        if self.http.is_some() && self.ureq_configured {
            return Err(SetupError::Contradiction(
                "roots, proxy and connect time-out are the default HTTP client's: configure your own HTTP client itself",
            ));
        }
        let mut store = Store::new(&mut SystemRandom).map_err(Error::from)?;
        store.tokens = self.tokens.unwrap_or_default();
        store.limits = self.limits;
        let (time, persistence, metrics) = (self.time, self.persistence, self.metrics);
        Ok((client, Opened { http: self.http, ureq, store, time, persistence, metrics }))
    }
}

/// What a driver is made of.
pub(crate) struct Opened {
    pub(crate) http: Option<Arc<dyn HttpClient>>,
    pub(crate) ureq: UreqClientBuilder,
    pub(crate) store: Store,
    pub(crate) time: Option<Arc<dyn Time>>,
    pub(crate) persistence: Option<Arc<dyn Persistence>>,
    pub(crate) metrics: Option<Arc<dyn Metrics>>,
}

impl Opened {
    pub(crate) fn driver(self) -> Result<Driver, SetupError> {
        let http = match self.http {
            Some(http) => http,
            None => Arc::new(self.ureq.build()?),
        };
        let store = Arc::new(SharedStore::new(self.store, self.persistence, self.metrics));
        Ok(Driver::sharing(http, store).time(self.time.unwrap_or_else(|| Arc::new(SystemClock))))
    }
}

/// The functions of a builder whose field `common` is [`Common`]: whom it asks, and how.
macro_rules! server_settings {
    () => {
        /// The authority, `https://host/tenant`.
        #[must_use]
        pub fn authority(mut self, authority: &str) -> Self {
            self.common.authority = Some(authority.to_owned());
            self.common.oidc_authority = None;
            self
        }

        /// The issuer of any OpenID Connect provider, in place of an authority.
        #[must_use]
        pub fn oidc_authority(mut self, issuer: &str) -> Self {
            self.common.oidc_authority = Some(issuer.to_owned());
            self.common.authority = None;
            self
        }

        /// Whether unknown authority hosts are looked up with Microsoft.
        #[must_use]
        pub fn instance_discovery(mut self, discovery: sansal::client::InstanceDiscovery) -> Self {
            self.common.settings.instance_discovery = discovery;
            self
        }

        /// Lets requests leave for this host too, should the authority's metadata name it.
        #[must_use]
        pub fn allow_host(mut self, host: &str) -> Self {
            self.common.settings.allowed_hosts.push(host.to_owned());
            self
        }

        /// Time for one attempt of one request. Default: 30 s.
        #[must_use]
        pub fn attempt_timeout(mut self, span: std::time::Duration) -> Self {
            self.common.settings.attempt_timeout = span.into();
            self
        }

        /// Time for a whole operation, waits included. Default: 120 s.
        #[must_use]
        pub fn operation_budget(mut self, span: std::time::Duration) -> Self {
            self.common.settings.operation_budget = span.into();
            self
        }

        /// Whether names of applications, tenants and users may appear in logs. Secrets and tokens never do.
        #[must_use]
        pub fn enable_pii_log(mut self, enable: bool) -> Self {
            self.common.settings.enable_pii_log = enable;
            self
        }

        /// Sends requests by another HTTP client.
        #[must_use]
        pub fn http_client(mut self, http: impl $crate::HttpClient + 'static) -> Self {
            self.common.http = Some(std::sync::Arc::new(http));
            self
        }

        /// Trusts the certificates in this PEM too.
        #[must_use]
        pub fn extra_roots(mut self, pem: &[u8]) -> Self {
            self.common.ureq = self.common.ureq.extra_roots(pem);
            self.common.ureq_configured = true;
            self
        }

        /// Trusts nothing but the [`extra_roots`](Self::extra_roots).
        #[must_use]
        pub fn only_extra_roots(mut self) -> Self {
            self.common.ureq = self.common.ureq.only_extra_roots();
            self.common.ureq_configured = true;
            self
        }

        /// Which proxy to use. Default: what the environment says.
        #[must_use]
        pub fn proxy(mut self, proxy: $crate::ProxyChoice) -> Self {
            self.common.ureq = self.common.ureq.proxy(proxy);
            self.common.ureq_configured = true;
            self
        }

        /// Time to find and connect to a server. Default: 10 s.
        #[must_use]
        pub fn connect_timeout(mut self, span: std::time::Duration) -> Self {
            self.common.ureq = self.common.ureq.connect_timeout(span);
            self.common.ureq_configured = true;
            self
        }

        /// Is told what happens, for a service's counters.
        #[must_use]
        pub fn metrics(mut self, metrics: impl $crate::Metrics + 'static) -> Self {
            self.common.metrics = Some(std::sync::Arc::new(metrics));
            self
        }

        /// Counts by another clock: for tests.
        #[must_use]
        pub fn time(mut self, time: impl $crate::Time + 'static) -> Self {
            self.common.time = Some(std::sync::Arc::new(time));
            self
        }
    };
}
pub(crate) use server_settings;

/// The same, and what only those who get tokens need.
macro_rules! common_settings {
    () => {
        $crate::common::server_settings!();

        /// What the application can handle, for example `CP1` (claims challenges).
        #[must_use]
        pub fn client_capabilities<S: AsRef<str>>(mut self, capabilities: &[S]) -> Self {
            self.common.settings.client_capabilities = capabilities.iter().map(|c| c.as_ref().to_owned()).collect();
            self
        }

        /// The application's name, for the server's logs.
        #[must_use]
        pub fn app_name(mut self, name: &str) -> Self {
            name.clone_into(&mut self.common.settings.app_name);
            self
        }

        /// The application's version, for the server's logs.
        #[must_use]
        pub fn app_version(mut self, version: &str) -> Self {
            version.clone_into(&mut self.common.settings.app_version);
            self
        }

        /// Lets passwords of users in federated domains go to the federation server that Microsoft names for the domain,
        /// whatever its host. Without it only to those that [`allow_host`](Self::allow_host) names.
        #[must_use]
        pub fn allow_federation(mut self) -> Self {
            self.common.settings.allow_federation = true;
            self
        }

        /// The key that tokens are bound to, in place of one that is made here: one that was kept, or one that is held
        /// elsewhere. See [`PopKey`](sansal::pop::PopKey).
        #[must_use]
        pub fn proof_key(mut self, key: sansal::pop::PopKey) -> Self {
            self.common.proof_key = Some(key);
            self
        }

        /// Has all tokens bound so, unless a call says otherwise. Where no [`proof_key`](Self::proof_key) is given, a key is
        /// made.
        #[must_use]
        pub fn auth_scheme(mut self, scheme: sansal::client::AuthScheme) -> Self {
            self.common.auth_scheme = scheme;
            self
        }

        /// The certificate that is presented at the provider's endpoints (RFC 8705), with its key: for tokens that are bound
        /// to it ([`AuthScheme::Tls`](sansal::client::AuthScheme), or a request's `bound`). Connections to a resource must
        /// present the same one. A PKCS#12 file, PEM with an RSA key, or PEM with an EC key that is not encrypted.
        #[must_use]
        pub fn client_certificate(mut self, certificate: $crate::CertificateCredential) -> Self {
            self.common.client_certificate = Some(Box::new(certificate));
            self
        }

        /// What is checked of an ID token before anything is stored. Default: its claims. With
        /// [`Signature`](sansal::client::IdTokenPolicy::Signature) its signature too, by keys that are fetched once an hour.
        #[must_use]
        pub fn id_token_policy(mut self, policy: sansal::client::IdTokenPolicy) -> Self {
            self.common.settings.id_token_policy = policy;
            self
        }

        /// Everything at once; replaces what the methods above have set.
        #[must_use]
        pub fn settings(mut self, settings: sansal::client::Settings) -> Self {
            self.common.settings = settings;
            self
        }

        /// Begins with these tokens.
        #[must_use]
        pub fn token_cache(mut self, tokens: sansal::cache::TokenCache) -> Self {
            self.common.tokens = Some(tokens);
            self
        }

        /// How large the token cache may become, in entries and bytes; what is to go first, see
        /// [`Limits`](sansal::cache::Limits). Default: without limit.
        #[must_use]
        pub fn cache_limits(mut self, limits: sansal::cache::Limits) -> Self {
            self.common.limits = limits;
            self
        }

        /// Keeps tokens elsewhere too.
        #[must_use]
        pub fn persistence(mut self, persistence: impl $crate::Persistence + 'static) -> Self {
            self.common.persistence = Some(std::sync::Arc::new(persistence));
            self
        }
    };
}
pub(crate) use common_settings;
