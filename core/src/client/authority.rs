//! Where an application signs in: Entra of any cloud, ADFS, B2C, CIAM, or any OpenID Connect issuer.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use super::clouds::{TENANT_DOMAINS, is_well_known};
use crate::endpoint::{Endpoint, InvalidEndpoint};
use crate::error::Config;
use crate::text;

/// An authority, `https://host/tenant`, read and classified (sections 2.2 and 2.3 of the reference).
#[derive(Clone, PartialEq, Eq)]
pub struct Authority {
    text: String,
    endpoint: Endpoint,
    tenant: String,
    kind: AuthorityKind,
}

/// What runs an authority: it decides on discovery and on cache details.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorityKind {
    /// Microsoft Entra ID, in any cloud or behind a custom domain.
    Entra,
    /// Active Directory Federation Services.
    Adfs,
    /// Azure AD B2C.
    B2c,
    /// Entra External ID, `*.ciamlogin.com`.
    Ciam,
    /// Any OpenID Connect provider, named by its issuer; also Microsoft's dSTS.
    Oidc,
}

impl Authority {
    /// What is used when no authority is given.
    pub const DEFAULT: &'static str = "https://login.microsoftonline.com/common";

    /// Reads an authority.
    ///
    /// # Errors
    /// [`Config::Authority`] when it is not https, has no host or no tenant. [`Config::NotInThisBuild`] without the feature `clouds`.
    pub fn parse(text: &str) -> Result<Self, Config> {
        if !cfg!(feature = "clouds") {
            return Err(Config::NotInThisBuild("an authority that is not an issuer"));
        }
        let endpoint = endpoint_of(text).map_err(Config::Authority)?;
        if endpoint.path() == "/dstsv2" || endpoint.path().starts_with("/dstsv2/") {
            return Self::oidc(text);
        }
        let first = text::parts(endpoint.path(), b'/').nth(1).unwrap_or_default();
        let tenant = match endpoint.host().strip_suffix(".ciamlogin.com") {
            Some(sub_domain) if first.is_empty() => format!("{sub_domain}.onmicrosoft.com"),
            _ if first.is_empty() => return Err(Config::Authority("the tenant is missing")),
            _ => first.to_string(),
        };
        let ciam = endpoint.host().ends_with(".ciamlogin.com");
        let policy = {
            let mut parts = text::parts(endpoint.path(), b'/').skip(1);
            (parts.next(), parts.next(), parts.next())
        };
        let kind = if ciam {
            AuthorityKind::Ciam
        } else if tenant.eq_ignore_ascii_case("adfs") {
            AuthorityKind::Adfs
        } else if TENANT_DOMAINS.iter().any(|parent| endpoint.host().ends_with(parent))
            || matches!(policy, (Some(_), Some(p), None) if p.to_ascii_lowercase().starts_with("b2c_"))
        {
            AuthorityKind::B2c
        } else {
            AuthorityKind::Entra
        };
        Ok(Self { text: text::trimmed(text).to_string(), endpoint, tenant, kind })
    }

    /// Reads the issuer of any OpenID Connect provider.
    ///
    /// # Errors
    /// [`Config::Issuer`] when it is not https or has no host.
    pub fn oidc(issuer: &str) -> Result<Self, Config> {
        let endpoint = endpoint_of(issuer).map_err(Config::Issuer)?;
        let tenant = endpoint.segments().next().unwrap_or_default().to_string();
        Ok(Self { text: text::trimmed(issuer).to_string(), endpoint, tenant, kind: AuthorityKind::Oidc })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// As an address.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The host in lower case: `environment` in the token cache.
    pub fn host(&self) -> &str {
        self.endpoint.host()
    }

    /// The tenant as it was written: an id, a domain, `common`, `organizations`, `consumers`; for an OIDC issuer the
    /// first segment of its path, which may be empty.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Whether its path, or for CIAM its host, says which tenant it is (section 2.2 of the reference).
    pub(super) fn names_tenant(&self) -> bool {
        let first = text::parts(self.endpoint.path(), b'/').nth(1).unwrap_or_default();
        !first.is_empty() || self.host().ends_with(".ciamlogin.com")
    }

    /// What runs it.
    pub fn kind(&self) -> AuthorityKind {
        // Without this feature the compiler knows what it can leave out.
        if cfg!(feature = "clouds") { self.kind } else { AuthorityKind::Oidc }
    }

    /// Whether tokens from it are kept as ADFS ones: an OIDC issuer under `/adfs` counts too.
    pub fn is_adfs(&self) -> bool {
        self.kind() == AuthorityKind::Adfs
            || (self.kind() == AuthorityKind::Oidc && self.tenant.eq_ignore_ascii_case("adfs"))
    }

    /// Whether Microsoft runs the host, so that it needs no instance discovery.
    pub fn is_well_known(&self) -> bool {
        is_well_known(self.host())
    }

    /// Whether the kind alone tells that Microsoft's instance discovery has nothing to say about the host.
    pub fn is_known_to_developer(&self) -> bool {
        self.kind() != AuthorityKind::Entra
    }

    /// Where the provider's metadata lies, when no instance discovery says otherwise (section 2.5 of the reference).
    ///
    /// # Errors
    /// [`Config::Authority`] when the address gets too long.
    pub fn metadata_endpoint(&self) -> Result<Endpoint, Config> {
        let path = text::trim_end(self.endpoint.path(), b'/');
        let path = match self.kind() {
            AuthorityKind::Ciam if path.is_empty() => format!("/{}/v2.0", self.tenant),
            AuthorityKind::Entra | AuthorityKind::B2c | AuthorityKind::Ciam => format!("{path}/v2.0"),
            AuthorityKind::Adfs | AuthorityKind::Oidc => path.to_string(),
        };
        let query = self.endpoint.query().map(|q| format!("?{q}")).unwrap_or_default();
        let metadata = format!("{}{path}/.well-known/openid-configuration{query}", self.endpoint.origin());
        Endpoint::parse(&metadata).map_err(|why| Config::Authority(why.reason()))
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({:?}, {:?})", self.kind, self.endpoint)
    }
}

fn endpoint_of(text: &str) -> Result<Endpoint, &'static str> {
    // A fragment never reaches a server.
    let text = text::parts(text::trimmed(text), b'#').next().unwrap_or_default();
    let endpoint = Endpoint::parse_typed(text).map_err(|why| why.reason())?;
    if endpoint.is_https() { Ok(endpoint) } else { Err(InvalidEndpoint::NotHttps.reason()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_2_2_to_2_5() {
        use AuthorityKind as K;
        const TAIL: &str = "/.well-known/openid-configuration";
        let cases: &[(&str, Option<(K, &str, &str)>)] = &[
            ("https://login.microsoftonline.com/t", Some((K::Entra, "t", "https://login.microsoftonline.com/t/v2.0"))),
            (
                "https://login.microsoftonline.com/common/",
                Some((K::Entra, "common", "https://login.microsoftonline.com/common/v2.0")),
            ),
            ("https://fs.contoso.com/adfs", Some((K::Adfs, "adfs", "https://fs.contoso.com/adfs"))),
            ("https://fs.contoso.com/ADFS/", Some((K::Adfs, "ADFS", "https://fs.contoso.com/ADFS"))),
            ("https://c.b2clogin.com/t/p", Some((K::B2c, "t", "https://c.b2clogin.com/t/p/v2.0"))),
            ("https://login.contoso.com/t/B2C_1_x", Some((K::B2c, "t", "https://login.contoso.com/t/B2C_1_x/v2.0"))),
            (
                "https://login.contoso.com/tfp/t/b2c_1",
                Some((K::Entra, "tfp", "https://login.contoso.com/tfp/t/b2c_1/v2.0")),
            ),
            (
                "https://c.ciamlogin.com",
                Some((K::Ciam, "c.onmicrosoft.com", "https://c.ciamlogin.com/c.onmicrosoft.com/v2.0")),
            ),
            ("https://c.ciamlogin.com/adfs", Some((K::Ciam, "adfs", "https://c.ciamlogin.com/adfs/v2.0"))),
            ("https://d.example/dstsv2/x", Some((K::Oidc, "dstsv2", "https://d.example/dstsv2/x"))),
            (
                "https://login.microsoftonline.com:443/t1#f",
                Some((K::Entra, "t1", "https://login.microsoftonline.com:443/t1/v2.0")),
            ),
            ("https://login.microsoftonline.com", None),
            ("https://login.microsoftonline.com/", None),
            ("http://login.microsoftonline.com/t", None),
            ("http://localhost/t", None),
            ("login.microsoftonline.com/t", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let got = Authority::parse(text).ok();
            let got = got.as_ref().map(|a| (a.kind(), a.tenant(), a.metadata_endpoint().unwrap().to_string()));
            let expected = expected.map(|(k, t, m)| (k, t, String::from(m) + TAIL));
            assert_eq!(got, expected, "{text}");
        }
    }

    #[test]
    fn an_issuer_is_called_one() {
        for bad in ["accounts.example", "http://accounts.example", ""] {
            assert!(matches!(Authority::oidc(bad), Err(Config::Issuer(_))), "{bad}");
        }
        assert!(matches!(Authority::parse("http://accounts.example/t"), Err(Config::Authority(_))));
    }
}
