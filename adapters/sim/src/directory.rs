//! Who is registered: tenants, applications with their credentials, resources.

use std::fmt;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, DnsName, ServerName, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::material::{InvalidKey, certificate};

/// A directory.
#[derive(Clone, Debug)]
pub struct Tenant {
    pub(crate) id: String,
    pub(crate) domains: Vec<String>,
}

impl Tenant {
    /// With this tenant id, a GUID at Entra.
    pub fn new(id: &str) -> Self {
        Self { id: id.to_owned(), domains: Vec::new() }
    }

    /// Known by this name too.
    #[must_use]
    pub fn domain(mut self, name: &str) -> Self {
        self.domains.push(name.to_owned());
        self
    }

    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.id.eq_ignore_ascii_case(name) || self.domains.iter().any(|domain| domain.eq_ignore_ascii_case(name))
    }
}

/// A confidential client. `Debug` shows no secret.
#[derive(Clone)]
pub struct Application {
    pub(crate) client_id: String,
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    subjects: Vec<(TrustAnchor<'static>, DnsName<'static>)>,
    secrets: Vec<(String, Option<u64>)>,
    tenants: Vec<String>,
}

/// What a secret turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecretCheck {
    Good,
    Expired,
    Wrong,
}

impl Application {
    /// With this application (client) id, known in every tenant, without a credential.
    pub fn new(client_id: &str) -> Self {
        Self {
            client_id: client_id.to_owned(),
            certificates: Vec::new(),
            subjects: Vec::new(),
            secrets: Vec::new(),
            tenants: Vec::new(),
        }
    }

    /// One more secret that counts.
    #[must_use]
    pub fn secret(mut self, secret: &str) -> Self {
        self.secrets.push((secret.to_owned(), None));
        self
    }

    /// One more secret that counts until this time, seconds since 1970.
    #[must_use]
    pub fn secret_until(mut self, secret: &str, end: u64) -> Self {
        self.secrets.push((secret.to_owned(), Some(end)));
        self
    }

    /// One more certificate whose key may sign assertions; the first in the PEM text.
    ///
    /// # Errors
    /// [`InvalidKey`] when there is none.
    pub fn certificate(mut self, pem: &str) -> Result<Self, InvalidKey> {
        let certificate = certificate(pem)?;
        EndEntityCert::try_from(&certificate).map_err(|_| InvalidKey("the certificate is not X.509 v3"))?;
        self.certificates.push(certificate);
        Ok(self)
    }

    /// Every certificate with this subject (a DNS name) from this issuer counts, while it is valid: assertions bring it
    /// along in `x5c`, its issuers behind it (Entra's *subject name and issuer*). So it can change without registration.
    ///
    /// # Errors
    /// [`InvalidKey`] when the text is no certificate, or the name is none.
    pub fn subject_and_issuer(mut self, name: &str, issuer_pem: &str) -> Result<Self, InvalidKey> {
        let issuer = certificate(issuer_pem)?;
        let anchor = anchor_from_trusted_cert(&issuer).map_err(|_| InvalidKey("the certificate is not X.509 v3"))?;
        let name = DnsName::try_from(name).map_err(|_| InvalidKey("the subject is not a DNS name"))?;
        self.subjects.push((anchor.to_owned(), name.to_owned()));
        Ok(self)
    }

    /// Whether a chain begins with a certificate of a registered subject, comes from its issuer, and is valid now.
    pub(crate) fn knows_subject_of(&self, chain: &[CertificateDer<'_>], now: u64) -> bool {
        let Some((leaf, issuers)) = chain.split_first() else { return false };
        let Ok(leaf) = EndEntityCert::try_from(leaf) else { return false };
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        self.subjects.iter().any(|(anchor, name)| {
            let anchors = [anchor.clone()];
            let usage = KeyUsage::client_auth();
            leaf.verify_is_valid_for_subject_name(&ServerName::DnsName(name.clone())).is_ok()
                && leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, issuers, now, usage, None, None).is_ok()
        })
    }

    /// Known in this tenant (its id) only; several calls: in several.
    #[must_use]
    pub fn tenant(mut self, id: &str) -> Self {
        self.tenants.push(id.to_owned());
        self
    }

    pub(crate) fn is_in(&self, tenant: Option<&str>) -> bool {
        self.tenants.is_empty() || tenant.is_some_and(|id| self.tenants.iter().any(|own| own == id))
    }

    pub(crate) fn check_secret(&self, given: &str, now: u64) -> SecretCheck {
        match self.secrets.iter().find(|(own, _)| own == given) {
            None => SecretCheck::Wrong,
            Some((_, Some(end))) if *end <= now => SecretCheck::Expired,
            Some(_) => SecretCheck::Good,
        }
    }
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application")
            .field("client_id", &self.client_id)
            .field("certificates", &self.certificates.len())
            .field("secrets", &self.secrets.len())
            .finish_non_exhaustive()
    }
}

/// Something that tokens are for.
#[derive(Clone, Debug)]
pub struct Resource {
    pub(crate) identifier: String,
    pub(crate) audience: String,
    pub(crate) roles: Vec<String>,
}

impl Resource {
    /// With the identifier URI that stands before `/.default`; tokens have it as `aud`.
    pub fn new(identifier: &str) -> Self {
        let identifier = identifier.trim_end_matches('/');
        Self { identifier: identifier.to_owned(), audience: identifier.to_owned(), roles: Vec::new() }
    }

    /// Tokens for it have this `aud`.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        audience.clone_into(&mut self.audience);
        self
    }

    /// Tokens for it have this role.
    #[must_use]
    pub fn role(mut self, role: &str) -> Self {
        self.roles.push(role.to_owned());
        self
    }
}
