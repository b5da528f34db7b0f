//! An application as the identity platform knows it: who it is, where it signs in, how it proves itself. Immutable.

mod authority;
mod claims;
mod clouds;
mod credential;
mod hosts;
mod issuer;
mod region;
mod scopes;
mod settings;

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

pub use authority::{Authority, AuthorityKind};
pub use claims::{merge as merge_claims, with_capabilities};
pub use clouds::{aliases, is_well_known};
pub use credential::{ClientCertificate, Credential, KeyCredential, Signer};
pub use hosts::{allows as host_allowed, allows_federation as federation_allowed};
pub use issuer::is_valid as issuer_is_valid;
pub use region::{Region, RegionName};
pub use scopes::Scopes;
pub(crate) use scopes::is_scope_token;
pub use settings::{AliasSource, HostPolicy, IdTokenPolicy, InstanceDiscovery, Retries, Settings};

#[cfg(feature = "assertions")]
use crate::error::CertError;
use crate::error::{Config, Error};
#[cfg(feature = "validate")]
use crate::jose::{Software, Verify};
use crate::json::Members;
use crate::pop::PopKey;

/// One application at one authority. All flows of an application share it by reference.
#[derive(Clone)]
pub struct Client {
    client_id: String,
    authority: Authority,
    metadata_key: String,
    credential: Credential,
    client_claims: Option<Members>,
    dpop_key: Option<PopKey>,
    client_certificate: Option<ClientCertificate>,
    auth_scheme: AuthScheme,
    #[cfg(feature = "validate")]
    verifier: &'static dyn Verify,
    settings: Settings,
}

/// How the tokens of a client are presented to resources, unless a call says otherwise.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AuthScheme {
    /// Whoever has the token may use it (RFC 6750).
    #[default]
    Bearer,
    /// Each request to a resource is signed: see [`shr`](crate::pop::shr).
    Pop,
    /// Each request carries a proof (RFC 9449): see [`dpop`](crate::pop::dpop).
    Dpop,
    /// Over connections with the [client certificate](ClientCertificate) only (RFC 8705 s3).
    Tls,
}

impl Client {
    /// Starts with the application (client) id of the registration.
    pub fn builder(client_id: &str) -> ClientBuilder {
        ClientBuilder {
            client_id: client_id.to_string(),
            authority: None,
            oidc_authority: None,
            credential: Credential::None,
            client_claims: None,
            dpop_key: None,
            client_certificate: None,
            auth_scheme: AuthScheme::Bearer,
            #[cfg(feature = "validate")]
            verifier: &Software,
            settings: Settings::default(),
        }
    }

    /// The client of flows for [managed identities](crate::managed): only its settings count. It has no id, no credential, and
    /// as its authority the address under which MSAL keeps such tokens, which nobody is ever asked at.
    ///
    /// # Errors
    /// [`Error::Config`] when a setting cannot be.
    pub fn managed_identity(settings: Settings) -> Result<Self, Error> {
        let settings = Settings { client_id_optional: true, ..settings };
        Self::builder("").authority("https://localhost/managed_identity").settings(settings).build()
    }

    /// `client_id`, RFC 6749 s2.2.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Where this application signs in.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// How this application proves itself.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Members for the client assertion, over the standard ones.
    pub fn client_claims(&self) -> Option<&Members> {
        self.client_claims.as_ref()
    }

    /// The key with which token requests are proved.
    pub fn dpop_key(&self) -> Option<&PopKey> {
        self.dpop_key.as_ref()
    }

    /// The certificate that is presented at the provider's endpoints.
    pub fn client_certificate(&self) -> Option<&ClientCertificate> {
        self.client_certificate.as_ref()
    }

    /// How its tokens are presented, unless a call says otherwise.
    pub fn auth_scheme(&self) -> AuthScheme {
        self.auth_scheme
    }

    /// The same application with this key for proofs, in place of the one it may have had.
    #[must_use]
    pub fn with_dpop_key(&self, key: PopKey) -> Self {
        Self { dpop_key: Some(key), ..self.clone() }
    }

    /// Who verifies the signatures of tokens.
    #[cfg(feature = "validate")]
    pub fn verifier(&self) -> &'static dyn Verify {
        self.verifier
    }

    /// The region for application tokens. `MSAL_FORCE_REGION` counts for confidential clients that say nothing themselves.
    ///
    /// # Errors
    /// [`Config::Region`] when the variable is not a region; [`ClientBuilder::build`] has refused that already.
    pub fn region(&self) -> Result<Region, Config> {
        effective_region(&self.settings, &self.credential)
    }

    /// The same application at another tenant of the same authority (G-47). Tokens of both may lie in one cache.
    ///
    /// # Errors
    /// [`Config::Authority`] when the authority has no tenants that could be exchanged, or the name is not one.
    pub fn at_tenant(&self, tenant: &str) -> Result<Self, Error> {
        let is_name =
            !tenant.is_empty() && tenant.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
        if self.authority.kind() != AuthorityKind::Entra || !is_name {
            return Err(Config::Authority("the tenant of an Entra authority is a domain name or an id").into());
        }
        let authority = Authority::parse(&format!("{}/{tenant}", self.authority.endpoint().origin()))?;
        Ok(Self { authority, ..self.clone() }.named())
    }

    /// The same application at another name of the same cloud, which needs no looking up. The tenant is the one that its metadata
    /// name.
    pub(crate) fn at_alias(&self, alias: &str, tenant: &str) -> Result<Self, Error> {
        let authority = Authority::parse(&format!("https://{alias}/{tenant}"))?;
        let settings = Settings { instance_discovery: InstanceDiscovery::Off, ..self.settings.clone() };
        Ok(Self { authority, settings, ..self.clone() }.named())
    }

    /// Under what the metadata of this client's authority is remembered: clients that share a memory share it only if they
    /// read the authority alike and asked the same party whether it is one.
    pub(crate) fn metadata_key(&self) -> &str {
        if cfg!(feature = "clouds") { &self.metadata_key } else { self.authority.as_str() }
    }

    /// Puts down under what its metadata is remembered.
    fn named(mut self) -> Self {
        if !cfg!(feature = "clouds") {
            return self;
        }
        let asked = match &self.settings.instance_discovery {
            _ if !self.needs_instance_discovery() => "nobody",
            InstanceDiscovery::Custom(address) => address.as_str(),
            InstanceDiscovery::On | InstanceDiscovery::Off => "Microsoft",
        };
        self.metadata_key = format!("{:?} {asked} {}", self.authority.kind(), self.authority.as_str());
        self
    }

    /// Whether the authority's host must be looked up before it is believed (section 2.4 of the reference).
    pub(crate) fn needs_instance_discovery(&self) -> bool {
        self.settings.validate_authority
            && self.settings.instance_discovery != InstanceDiscovery::Off
            && !self.authority.is_known_to_developer()
            && !self.authority.is_well_known()
    }

    /// Whether proof-of-possession tokens can be had in this build (`is_pop_supported` of MSAL): without a broker, with
    /// keys made in software.
    pub fn is_pop_supported(&self) -> bool {
        cfg!(feature = "es256")
    }

    /// Everything that can be switched.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// Public clients have no tokens of their own to get from a region.
fn effective_region(settings: &Settings, credential: &Credential) -> Result<Region, Config> {
    match (&settings.region, &settings.force_region) {
        _ if matches!(credential, Credential::None) => Ok(Region::Unset),
        (Region::Unset, Some(forced)) => Ok(Region::Named(RegionName::parse(forced)?)),
        (own, _) => Ok(own.clone()),
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("client_id", &self.client_id)
            .field("authority", &self.authority)
            .field("credential", &self.credential)
            .finish_non_exhaustive()
    }
}

/// Collects what a [`Client`] is made of; [`build`](Self::build) checks it as a whole.
#[derive(Debug)]
pub struct ClientBuilder {
    client_id: String,
    authority: Option<String>,
    oidc_authority: Option<String>,
    credential: Credential,
    client_claims: Option<Members>,
    dpop_key: Option<PopKey>,
    client_certificate: Option<ClientCertificate>,
    auth_scheme: AuthScheme,
    #[cfg(feature = "validate")]
    verifier: &'static dyn Verify,
    settings: Settings,
}

impl ClientBuilder {
    /// The authority, `https://host/tenant`. Default: `https://login.microsoftonline.com/common`.
    #[must_use]
    pub fn authority(mut self, authority: &str) -> Self {
        self.authority = Some(authority.to_string());
        self
    }

    /// The issuer of any OpenID Connect provider, in place of an authority.
    #[must_use]
    pub fn oidc_authority(mut self, issuer: &str) -> Self {
        self.oidc_authority = Some(issuer.to_string());
        self
    }

    /// How the application proves itself; without one it is a public client.
    #[must_use]
    pub fn credential(mut self, credential: Credential) -> Self {
        self.credential = credential;
        self
    }

    /// Members for the client assertion (RFC 7523 s3); they override the standard ones.
    #[must_use]
    pub fn client_claims(mut self, claims: Members) -> Self {
        self.client_claims = Some(claims);
        self
    }

    /// The key for tokens that are asked for with [`Binding::dpop`](crate::binding::Binding::dpop) (RFC 9449): token requests
    /// carry a proof of it, and refresh tokens of a public client are good with it only.
    #[must_use]
    pub fn dpop_key(mut self, key: PopKey) -> Self {
        self.dpop_key = Some(key);
        self
    }

    /// The certificate for the provider's endpoints (RFC 8705): for authentication with [`Credential::Tls`], for tokens that are
    /// bound to it, or for both.
    #[must_use]
    pub fn client_certificate(mut self, certificate: ClientCertificate) -> Self {
        self.client_certificate = Some(certificate);
        self
    }

    /// Has every token that is asked for without a [`Binding`](crate::binding::Binding) of its own bound to the
    /// [`dpop_key`](Self::dpop_key) or the [`client_certificate`](Self::client_certificate).
    #[must_use]
    pub fn auth_scheme(mut self, scheme: AuthScheme) -> Self {
        self.auth_scheme = scheme;
        self
    }

    /// Who verifies the signatures of tokens. Default: [`Software`], which needs the features `rsa` and `es256`.
    #[cfg(feature = "validate")]
    #[must_use]
    pub fn verifier(mut self, verifier: &'static dyn Verify) -> Self {
        self.verifier = verifier;
        self
    }

    /// Everything else.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Checks it all.
    ///
    /// # Errors
    /// [`Error::Config`] says what does not fit.
    pub fn build(self) -> Result<Client, Error> {
        if self.client_id.is_empty() && !self.settings.client_id_optional {
            return Err(Config::ClientId.into());
        }
        let texts = [
            ("app_name", &self.settings.app_name),
            ("app_version", &self.settings.app_version),
            ("platform", &self.settings.platform),
        ];
        for (name, text) in texts {
            // RFC 9110 s5.5: visible characters and spaces.
            if !text.bytes().all(|b| (0x20..0x7F).contains(&b)) {
                return Err(Config::Header(name).into());
            }
        }
        if cfg!(feature = "clouds") {
            effective_region(&self.settings, &self.credential)?;
        }
        match self.auth_scheme {
            AuthScheme::Pop | AuthScheme::Dpop if self.dpop_key.is_none() => return Err(Config::ProofKey.into()),
            AuthScheme::Tls if self.client_certificate.is_none() => return Err(Config::ClientCertificate.into()),
            _ if matches!(self.credential, Credential::Tls) && self.client_certificate.is_none() => {
                return Err(Config::ClientCertificate.into());
            }
            _ => {}
        }
        if self.settings.exclude_scopes.iter().any(|scope| scope == "openid") {
            return Err(Config::Scope("openid cannot be excluded").into());
        }
        let authority = match (self.authority, self.oidc_authority) {
            (Some(_), Some(_)) => return Err(Config::TwoAuthorities.into()),
            (None, Some(issuer)) => match Authority::oidc(&issuer)? {
                one if cfg!(feature = "clouds") && !self.settings.issuer_may_be_a_host && !one.names_tenant() => {
                    return Err(Config::Issuer("its path is missing").into());
                }
                one => one,
            },
            (Some(text), None) => Authority::parse(&text)?,
            (None, None) => Authority::parse(Authority::DEFAULT)?,
        };
        if let (true, Some(why)) = (self.settings.check_certificates, self.credential.contradiction()) {
            return Err(why.into());
        }
        #[cfg(feature = "assertions")]
        if let (true, Credential::Key(key)) = (authority.is_adfs(), &self.credential)
            && key.x5t().is_none()
        {
            return Err(CertError::NoThumbprint.into());
        }
        let client = Client {
            client_id: self.client_id,
            authority,
            metadata_key: String::new(),
            credential: self.credential,
            client_claims: self.client_claims,
            dpop_key: self.dpop_key,
            client_certificate: self.client_certificate,
            auth_scheme: self.auth_scheme,
            #[cfg(feature = "validate")]
            verifier: self.verifier,
            settings: self.settings,
        };
        Ok(client.named())
    }
}
