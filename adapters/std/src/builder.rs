//! What a confidential client is made of, and the checks of it as a whole.

use std::fmt;
use std::path::Path;

use sansal::client::{ClientBuilder, Credential, Region};
use sansal::error::{AskError, Config};
use sansal::limits::MAX_CLAIMS;
use sansal::{Secret, json};

use crate::application::{AssertionCallback, ClientApplication, Own};
use crate::asks::AssertionContext;
use crate::certificate::CertificateCredential;
use crate::common::{Common, common_settings};
use crate::confidential::ConfidentialClient;
use crate::environment::{Environment, EnvironmentCredential, read_assertion};
use crate::parts::Parts;
use crate::pfx::X5c;
use crate::setup::SetupError;

/// How a builder was told to prove the application.
enum Proof {
    Secret(Secret),
    Certificate(Box<CertificateCredential>),
    Assertion(Secret),
    Callback(Box<AssertionCallback>),
    Tls,
}

/// Collects what a [`ConfidentialClient`] is made of; [`build`](Self::build) checks it as a whole.
pub struct ConfidentialClientBuilder {
    common: Common,
    credential: Option<Proof>,
    client_claims: Option<String>,
}

impl ConfidentialClientBuilder {
    pub(crate) fn new(client_id: &str) -> Self {
        Self { common: Common::new(client_id), credential: None, client_claims: None }
    }

    common_settings!();

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

    /// Authentication by TLS (RFC 8705 s2): `tls_client_auth`, or `self_signed_tls_client_auth` where the provider knows the
    /// certificate itself. The [`client_certificate`](Self::client_certificate) is presented, and no secret is sent. Tokens are
    /// kept as bound to it, whether the provider binds them or not; [`AuthScheme::Tls`](sansal::client::AuthScheme) refuses those
    /// that say themselves that they are not.
    #[must_use]
    pub fn tls_client_auth(mut self, certificate: CertificateCredential) -> Self {
        self.credential = Some(Proof::Tls);
        self.client_certificate(certificate)
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

    /// Gets application tokens from an endpoint of this Azure region, of the one this machine is in, or of none. Without
    /// it `MSAL_FORCE_REGION` counts, as at MSAL.
    #[must_use]
    pub fn azure_region(mut self, region: Region) -> Self {
        self.common.settings.region = region;
        self
    }

    /// Takes `REGION_NAME` and `MSAL_FORCE_REGION` from here, not from this process.
    #[must_use]
    pub fn environment_regions(mut self, environment: &Environment) -> Self {
        self.common.regions = Some((environment.region_name.clone(), environment.force_region.clone()));
        self
    }

    /// Checks it all. Nothing is sent yet.
    ///
    /// # Errors
    /// [`SetupError`] says what does not fit.
    pub fn build(self) -> Result<ConfidentialClient, SetupError> {
        let (add, own, common) = self.proved()?;
        let (client, driver) = common.open(add)?;
        Ok(ConfidentialClient(ClientApplication::new(client, driver, own)))
    }

    /// Checks it all, and hands the parts to a host of another kind.
    ///
    /// # Errors
    /// [`SetupError`] says what does not fit.
    pub fn parts(self) -> Result<Parts, SetupError> {
        let (add, own, common) = self.proved()?;
        let (client, opened) = common.check(add)?;
        Parts::new(client, opened, own)
    }

    fn proved(
        self,
    ) -> Result<(impl FnOnce(ClientBuilder) -> Result<ClientBuilder, SetupError>, Own, Common), SetupError> {
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
            Some(Proof::Tls) => Credential::Tls,
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
        let client_claims = self.client_claims;
        let add = move |client: ClientBuilder| {
            let client = client.credential(credential);
            let Some(text) = client_claims else { return Ok(client) };
            let claims = json::parse_object(text.as_bytes(), MAX_CLAIMS);
            Ok(client.client_claims(claims.map_err(|_| Config::Claims("client_claims"))?))
        };
        Ok((add, own, self.common))
    }
}

impl fmt::Debug for ConfidentialClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfidentialClientBuilder").field("authority", &self.common.authority).finish_non_exhaustive()
    }
}
