//! Where a token service lies and what it says about itself (OpenID Connect Discovery s3): Entra, AD FS, any other issuer.

use serde_json::{Value, json};

/// One token service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Realm {
    /// A tenant of Entra by its id, or `common`, `organizations`, `consumers`.
    Entra(String),
    /// AD FS, which has no tenants.
    Adfs,
    /// Any other provider, by the path of its issuer without slashes at its ends.
    Issuer(String),
}

impl Realm {
    /// `iss` of its tokens.
    pub(crate) fn issuer(&self, host: &str) -> String {
        match self {
            Self::Entra(id) if is_for_many(id) => format!("https://{host}/{{tenantid}}/v2.0"),
            Self::Entra(id) => format!("https://{host}/{id}/v2.0"),
            Self::Adfs => format!("https://{host}/adfs"),
            Self::Issuer(path) => format!("https://{host}/{path}"),
        }
    }

    /// Its token endpoint.
    pub(crate) fn token_endpoint(&self, host: &str) -> String {
        format!("https://{host}/{}", self.path("oauth2/v2.0/token", "oauth2/token", "token"))
    }

    /// Its metadata.
    pub(crate) fn metadata(&self, host: &str) -> Value {
        let at = |entra: &str, adfs: &str, other: &str| format!("https://{host}/{}", self.path(entra, adfs, other));
        json!({
            "issuer": self.issuer(host),
            "authorization_endpoint": at("oauth2/v2.0/authorize", "oauth2/authorize", "authorize"),
            "token_endpoint": self.token_endpoint(host),
            "device_authorization_endpoint": at("oauth2/v2.0/devicecode", "oauth2/devicecode", "devicecode"),
            "jwks_uri": at("discovery/v2.0/keys", "discovery/keys", "jwks"),
            "authorization_response_iss_parameter_supported": true,
            "code_challenge_methods_supported": ["S256"],
            "response_modes_supported": ["query", "form_post"],
            "response_types_supported": ["code"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["RS256", "PS256"],
        })
    }

    /// The tenant of Entra, where it is one.
    pub(crate) fn tenant(&self) -> Option<&str> {
        match self {
            Self::Entra(id) => Some(id),
            _ => None,
        }
    }

    /// Where people type user codes (RFC 8628 s3.2).
    pub(crate) fn verification_uri(&self, host: &str) -> String {
        format!("https://{host}/{}", self.path("oauth2/deviceauth", "oauth2/deviceauth", "device"))
    }

    fn path(&self, entra: &str, adfs: &str, other: &str) -> String {
        match self {
            Self::Entra(id) => format!("{id}/{entra}"),
            Self::Adfs => format!("adfs/{adfs}"),
            Self::Issuer(path) => format!("{path}/{other}"),
        }
    }
}

/// Names under which Entra serves several tenants at once; applications get no tokens for themselves there.
pub(crate) fn is_for_many(name: &str) -> bool {
    ["common", "organizations", "consumers"].contains(&name)
}

/// Hosts that are one and the same cloud, the network's preferred one first.
pub(crate) const CLOUDS: [&[&str]; 3] = [
    &["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
    &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
    &["login.microsoftonline.us", "login.usgovcloudapi.net"],
];

/// The hosts of this host's cloud, a regional host's too; nothing for a host that is in none.
pub(crate) fn cloud_of(host: &str) -> &'static [&'static str] {
    let below = host.split_once('.').map(|(_, rest)| rest);
    let is_in = |cloud: &&[&str]| cloud.contains(&host) || below.is_some_and(|rest| cloud.contains(&rest));
    CLOUDS.into_iter().find(is_in).unwrap_or_default()
}
