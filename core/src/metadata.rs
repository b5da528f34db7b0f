//! What a provider says about itself (OpenID Connect Discovery s3, RFC 8414) and Microsoft about its clouds, read and bounded.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::endpoint::Endpoint;
use crate::error::{Error, What};
use crate::json::{self, JsonError, Members, Value};
use crate::limits::MAX_METADATA;
use crate::text::{parts, split_once};

/// Stands for the tenant in the issuer of Entra's metadata for many tenants.
const OPEN_TENANT: &str = "{tenantid}";

/// Provider metadata: the endpoints we use. Hosts are not judged here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderMetadata {
    /// `issuer`; empty where the document has none.
    pub issuer: String,
    /// `authorization_endpoint`
    pub authorization_endpoint: Endpoint,
    /// `token_endpoint`
    pub token_endpoint: Endpoint,
    /// `device_authorization_endpoint` (RFC 8628 s4), where there is one.
    pub device_authorization_endpoint: Option<Endpoint>,
    /// `mtls_endpoint_aliases` (RFC 8705 s5): where clients with a certificate go instead.
    pub mtls: MtlsEndpoints,
    /// `jwks_uri`, where there is a usable one: the keys that tokens are signed with.
    pub jwks_uri: Option<Endpoint>,
    /// `authorization_response_iss_parameter_supported`: answers of the authorization endpoint name the issuer (RFC 9207 s3).
    pub answers_with_issuer: bool,
    /// The tenant that tokens belong to, `realm` in the token cache: the first segment of the token endpoint's path.
    pub realm: String,
}

/// The endpoints at which a provider asks for client certificates, where they are others than for everybody (RFC 8705 s5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MtlsEndpoints {
    /// `token_endpoint`
    pub token_endpoint: Option<Endpoint>,
    /// `device_authorization_endpoint`
    pub device_authorization_endpoint: Option<Endpoint>,
}

impl ProviderMetadata {
    /// The same with the endpoints for clients that present a certificate. The realm stays: it is the tokens', not the address's.
    pub(crate) fn with_mtls_endpoints(mut self) -> Self {
        let MtlsEndpoints { token_endpoint, device_authorization_endpoint } = self.mtls.clone();
        self.token_endpoint = token_endpoint.unwrap_or(self.token_endpoint);
        self.device_authorization_endpoint = device_authorization_endpoint.or(self.device_authorization_endpoint);
        self
    }

    /// Whether this is its issuer, to the letter. Entra's metadata for many tenants leaves the tenant open, `{tenantid}`: there the
    /// issuer is this tenant's, or where none is named, that of any.
    pub(crate) fn is_issuer(&self, got: &str, tenant: Option<&str>) -> bool {
        let Some((before, after)) = split_once(&self.issuer, OPEN_TENANT) else { return got == self.issuer };
        let named = got.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).unwrap_or_default();
        let is_name = !named.is_empty() && named.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        is_name && tenant.is_none_or(|tenant| tenant == named)
    }

    /// Whether it stands for many tenants.
    pub(crate) fn leaves_tenant_open(&self) -> bool {
        split_once(&self.issuer, OPEN_TENANT).is_some()
    }

    /// Reads the document.
    ///
    /// # Errors
    /// [`Error::BadResponse`] names the member that is missing or not a usable address.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let members = object(body, What::ProviderMetadata)?;
        let token_endpoint = required(&members, "token_endpoint")?;
        let device = match members.get("device_authorization_endpoint") {
            None | Some(Value::Null) => None,
            Some(_) => Some(required(&members, "device_authorization_endpoint")?),
        };
        let alias = |name: &'static str| match members.get("mtls_endpoint_aliases").and_then(|all| all.get(name)) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let endpoint = value.as_str().and_then(|text| Endpoint::parse(text).ok());
                endpoint.map(Some).ok_or(bad(What::ProviderMetadata, "mtls_endpoint_aliases"))
            }
        };
        let mtls = MtlsEndpoints {
            token_endpoint: alias("token_endpoint")?,
            device_authorization_endpoint: alias("device_authorization_endpoint")?,
        };
        Ok(Self {
            mtls,
            issuer: members.text("issuer").unwrap_or_default().to_string(),
            authorization_endpoint: required(&members, "authorization_endpoint")?,
            device_authorization_endpoint: device,
            answers_with_issuer: matches!(
                members.get("authorization_response_iss_parameter_supported"),
                Some(Value::Bool(true))
            ),
            jwks_uri: members.text("jwks_uri").and_then(|text| Endpoint::parse(text).ok()),
            realm: realm_of(&token_endpoint),
            token_endpoint,
        })
    }
}

/// The tenant in an endpoint's path: its first segment, or for a CIAM host without one the tenant's domain
/// (section 2.2 of the reference).
pub fn realm_of(endpoint: &Endpoint) -> String {
    let ciam = if cfg!(feature = "clouds") { endpoint.host().strip_suffix(".ciamlogin.com") } else { None };
    match (parts(endpoint.path(), b'/').nth(1), ciam) {
        (None | Some(""), Some(sub_domain)) => format!("{sub_domain}.onmicrosoft.com"),
        (first, _) => first.unwrap_or_default().to_string(),
    }
}

/// The answer of Microsoft's instance discovery about one host (section 2.4 of the reference).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instance {
    /// Microsoft knows it; its metadata lies here.
    Known(Endpoint),
    /// `invalid_instance`
    Unknown,
}

impl Instance {
    /// Reads the answer, whatever its status was.
    ///
    /// # Errors
    /// [`Error::BadResponse`] when there is no usable `tenant_discovery_endpoint`.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let members = object(body, What::InstanceDiscovery)?;
        if members.text("error") == Some("invalid_instance") {
            return Ok(Self::Unknown);
        }
        let address = members.text("tenant_discovery_endpoint").unwrap_or_default();
        match Endpoint::parse(address) {
            Ok(endpoint) => Ok(Self::Known(endpoint)),
            Err(_) => Err(bad(What::InstanceDiscovery, "tenant_discovery_endpoint")),
        }
    }
}

/// Groups of hosts that are one and the same cloud (section 2.8 of the reference).
///
/// # Errors
/// [`Error::BadResponse`] when there is no `metadata` list.
pub fn alias_groups(body: &[u8]) -> Result<Vec<Vec<String>>, Error> {
    let members = object(body, What::InstanceDiscovery)?;
    let Some(Value::Array(clouds)) = members.get("metadata") else {
        return Err(bad(What::InstanceDiscovery, "metadata"));
    };
    let group = |cloud: &Value| match cloud.get("aliases") {
        Some(Value::Array(hosts)) => hosts.iter().filter_map(|h| h.as_str()).map(str::to_ascii_lowercase).collect(),
        _ => Vec::new(),
    };
    Ok(clouds.iter().map(group).collect())
}

fn object(body: &[u8], what: What) -> Result<Members, Error> {
    json::parse_object(body, MAX_METADATA).map_err(|why| bad(what, json_rule(why)))
}

/// What a [`JsonError`] says, as the place in [`Error::BadResponse`].
pub(crate) const fn json_rule(why: JsonError) -> &'static str {
    match why {
        JsonError::TooLong => "it is too long",
        JsonError::TooDeep => "it is nested too deeply",
        JsonError::Malformed => "it is not JSON",
        JsonError::NotAnObject => "it is not a JSON object",
        JsonError::Repeated => "a member stands twice in it",
    }
}

fn required(members: &Members, name: &'static str) -> Result<Endpoint, Error> {
    members.text(name).and_then(|text| Endpoint::parse(text).ok()).ok_or(bad(What::ProviderMetadata, name))
}

const fn bad(what: What, at: &'static str) -> Error {
    Error::BadResponse { what, at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provider_metadata() {
        let with = |members: &str| ProviderMetadata::parse(format!("{{{members}}}").as_bytes());
        let both =
            r#""authorization_endpoint":"https://a.example/t/authorize","token_endpoint":"https://a.example/t/token""#;
        assert_eq!(with(both).unwrap().realm, "t");
        assert_eq!(with(&format!("{both},\"device_authorization_endpoint\":null")).unwrap().issuer, "");
        let cases = [
            (r#""token_endpoint":"https://a.example/t""#, "authorization_endpoint"),
            (r#""authorization_endpoint":"https://a.example/t""#, "token_endpoint"),
            (r#""token_endpoint":null"#, "token_endpoint"),
            (r#""token_endpoint":"http://a.example/t""#, "token_endpoint"),
            (r#""token_endpoint":["https://a.example/t"]"#, "token_endpoint"),
            (
                &format!(r#"{both},"mtls_endpoint_aliases":{{"token_endpoint":"http://a.example/t"}}"#),
                "mtls_endpoint_aliases",
            ),
        ];
        for (members, place) in cases {
            match with(members) {
                Err(Error::BadResponse { what: What::ProviderMetadata, at }) => assert_eq!(at, place),
                other => panic!("{members}: {other:?}"),
            }
        }
        assert!(ProviderMetadata::parse(b"[]").is_err() && ProviderMetadata::parse(b"<html/>").is_err());
    }

    #[test]
    fn endpoints_for_certificates() {
        // RFC 8705 s5.
        let all = |aliases: &str| {
            let text = format!(
                r#"{{"authorization_endpoint":"https://a.example/t/authorize","token_endpoint":"https://a.example/t/token",
                "device_authorization_endpoint":"https://a.example/t/device"{aliases}}}"#
            );
            ProviderMetadata::parse(text.as_bytes()).unwrap()
        };
        let none = all("");
        assert_eq!(none.clone().with_mtls_endpoints(), none);
        for (aliases, token, device) in [
            (r#","mtls_endpoint_aliases":{}"#, "https://a.example/t/token", "https://a.example/t/device"),
            (
                r#","mtls_endpoint_aliases":{"token_endpoint":"https://m.a.example/x"}"#,
                "https://m.a.example/x",
                "https://a.example/t/device",
            ),
            (
                r#","mtls_endpoint_aliases":{"device_authorization_endpoint":"https://m.a.example/d"}"#,
                "https://a.example/t/token",
                "https://m.a.example/d",
            ),
        ] {
            let metadata = all(aliases).with_mtls_endpoints();
            assert_eq!(metadata.token_endpoint.to_string(), token);
            assert_eq!(metadata.device_authorization_endpoint.map(|e| e.to_string()).as_deref(), Some(device));
            assert_eq!(metadata.realm, "t", "where the tokens lie does not change");
        }
    }

    #[test]
    fn instances() {
        assert_eq!(Instance::parse(br#"{"error":"invalid_instance"}"#).unwrap(), Instance::Unknown);
        assert!(Instance::parse(br#"{"error":"other"}"#).is_err());
        assert!(matches!(
            Instance::parse(br#"{"tenant_discovery_endpoint":"https://a.example/t/.well-known/openid-configuration"}"#),
            Ok(Instance::Known(_))
        ));
    }
}
