//! The realm of a user: managed by Entra, or federated with a server of the user's organisation (section 2.9 of the reference).

use alloc::format;
use alloc::string::{String, ToString};

use super::{TrustEndpoint, Version};
use crate::endpoint::Endpoint;
use crate::error::{Config, Error, What};
use crate::json;
use crate::limits::MAX_METADATA;
use crate::metadata::json_rule;

/// What a federation server of the public cloud is asked to issue tokens for, unless the realm names another audience.
const DEFAULT_AUDIENCE: &str = "urn:federation:MicrosoftOnline";

/// Microsoft's answer about a user name. Addresses are not judged here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserRealm {
    /// `account_type`: `Managed`, `Federated`, `Unknown`; empty where the answer has none.
    pub account_type: String,
    /// `federation_protocol`: `WSTrust`, `SAML20` …
    pub federation_protocol: Option<String>,
    /// `cloud_audience_urn`: whom the federation server issues tokens for.
    pub cloud_audience_urn: Option<String>,
    /// `federation_metadata_url`: where the federation server describes itself.
    pub federation_metadata_url: Option<String>,
    /// `federation_active_auth_url`: where it takes names and passwords, should it not describe itself.
    pub federation_active_auth_url: Option<String>,
}

impl UserRealm {
    /// Where to ask about a user: at the host of the application's authority. The name is one segment of the path, whatever
    /// characters it has (G-38).
    ///
    /// # Errors
    /// [`Config::UserCredential`] for a name that no path can hold: none at all, `.` and `..`, or a far too long one.
    pub fn address(authority: &Endpoint, username: &str) -> Result<Endpoint, Error> {
        let bad = |why| Error::Config(Config::UserCredential(why));
        if username.is_empty() {
            return Err(bad("the user name is empty"));
        }
        let name = segment(username);
        Endpoint::parse(&format!("{}/common/userrealm/{name}?api-version=1.0", authority.origin()))
            .map_err(|_| bad("the user name is too long, or dots only"))
    }

    /// Reads the answer.
    ///
    /// # Errors
    /// [`Error::BadResponse`] when it is not a JSON object.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let members = json::parse_object(body, MAX_METADATA)
            .map_err(|why| Error::BadResponse { what: What::UserRealm, at: json_rule(why) })?;
        let text = |name| members.text(name).filter(|text| !text.is_empty()).map(ToString::to_string);
        Ok(Self {
            account_type: text("account_type").unwrap_or_default(),
            federation_protocol: text("federation_protocol"),
            cloud_audience_urn: text("cloud_audience_urn"),
            federation_metadata_url: text("federation_metadata_url"),
            federation_active_auth_url: text("federation_active_auth_url"),
        })
    }

    /// Whether the password is the federation server's to check.
    pub fn is_federated(&self) -> bool {
        self.account_type == "Federated"
    }

    /// Whom the SAML token is for.
    pub fn audience(&self) -> &str {
        self.cloud_audience_urn.as_deref().unwrap_or(DEFAULT_AUDIENCE)
    }

    /// Where the federation server describes itself, if it does.
    ///
    /// # Errors
    /// [`Error::BadResponse`] when that is no address.
    pub fn metadata_endpoint(&self) -> Result<Option<Endpoint>, Error> {
        let bad = Error::BadResponse { what: What::UserRealm, at: "federation_metadata_url" };
        self.federation_metadata_url.as_deref().map(Endpoint::parse).transpose().map_err(|_| bad)
    }

    /// Where names and passwords go when the federation server does not describe itself; the path tells the version.
    ///
    /// # Errors
    /// [`Config::NoFederationEndpoint`] when there is no such address, or its version cannot be told;
    /// [`Error::BadResponse`] when it is no address.
    pub fn active_endpoint(&self) -> Result<TrustEndpoint, Error> {
        let none = |what| Error::Config(Config::NoFederationEndpoint(what));
        let Some(address) = self.federation_active_auth_url.as_deref() else {
            return Err(none("the user realm names no address of it"));
        };
        let bad = Error::BadResponse { what: What::UserRealm, at: "federation_active_auth_url" };
        let address = Endpoint::parse(address).map_err(|_| bad)?;
        let version = Version::of_path(&address).ok_or(none("its address does not tell the version of WS-Trust"))?;
        Ok(TrustEndpoint { address, version })
    }
}

/// A text as one segment of a path (RFC 3986 s3.3); `@` and `+` may stand there as they are.
fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_mul(3));
    for byte in text.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' | b'@' | b'+' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let authority = Endpoint::parse("https://login.microsoftonline.com/t").unwrap();
        let cases = [
            ("ada@contoso.com", Some("ada@contoso.com")),
            ("a b+c@contoso.com", Some("a%20b+c@contoso.com")),
            // G-38: neither path, query nor fragment can be reached from inside of a name.
            ("../../evil?x=1&y#z/", Some("..%2F..%2Fevil%3Fx%3D1%26y%23z%2F")),
            ("100%", Some("100%25")),
            ("jos\u{e9}@contoso.com", Some("jos%C3%A9@contoso.com")),
            ("a\r\nHost: evil", Some("a%0D%0AHost%3A%20evil")),
            ("", None),
            (".", None),
            ("..", None),
        ];
        for (name, expected) in cases {
            let got = UserRealm::address(&authority, name);
            let expected =
                expected.map(|s| format!("https://login.microsoftonline.com/common/userrealm/{s}?api-version=1.0"));
            assert_eq!(got.as_ref().ok().map(ToString::to_string), expected, "{name:?}");
            if let Err(error) = got {
                assert!(matches!(error, Error::Config(Config::UserCredential(_))), "{error:?}");
            }
        }
        assert!(UserRealm::address(&authority, &"a".repeat(10_000)).is_err());
        let port = Endpoint::parse("https://login.example:8443/t?q=1").unwrap();
        let address = UserRealm::address(&port, "a@b").unwrap();
        assert_eq!(address.to_string(), "https://login.example:8443/common/userrealm/a@b?api-version=1.0");
    }

    /// Members as in the recordings `ropc__*`.
    #[test]
    fn answers() {
        let cases: &[(&str, bool, &str)] = &[
            (r#"{"account_type":"Federated","cloud_audience_urn":"urn:x"}"#, true, "urn:x"),
            (r#"{"account_type":"Federated"}"#, true, DEFAULT_AUDIENCE),
            (r#"{"account_type":"Federated","cloud_audience_urn":""}"#, true, DEFAULT_AUDIENCE),
            (r#"{"account_type":"Federated","cloud_audience_urn":null}"#, true, DEFAULT_AUDIENCE),
            (r#"{"account_type":"federated"}"#, false, DEFAULT_AUDIENCE),
            (r#"{"account_type":"Managed"}"#, false, DEFAULT_AUDIENCE),
            (r#"{"account_type":"Unknown"}"#, false, DEFAULT_AUDIENCE),
            (r#"{"account_type":7}"#, false, DEFAULT_AUDIENCE),
            ("{}", false, DEFAULT_AUDIENCE),
        ];
        for (body, federated, audience) in cases {
            let realm = UserRealm::parse(body.as_bytes()).unwrap();
            assert_eq!((realm.is_federated(), realm.audience()), (*federated, *audience), "{body}");
        }
        for body in ["<html/>", "[]", "", "{"] {
            let error = UserRealm::parse(body.as_bytes()).unwrap_err();
            assert!(matches!(error, Error::BadResponse { what: What::UserRealm, .. }), "{error:?}");
        }
    }

    #[test]
    fn endpoints() {
        let realm = |members: &str| UserRealm::parse(format!("{{{members}}}").as_bytes()).unwrap();
        let active = |url: &str| realm(&format!("\"federation_active_auth_url\":\"{url}\"")).active_endpoint();
        let good = active("https://fs.contoso.com/adfs/services/trust/2005/usernamemixed").unwrap();
        assert_eq!(good.version, Version::V2005);
        let none: fn(&Error) -> bool = |error| matches!(error, Error::Config(Config::NoFederationEndpoint(_)));
        let bad: fn(&Error) -> bool =
            |error| matches!(error, Error::BadResponse { what: What::UserRealm, at: "federation_active_auth_url" });
        let cases = [
            ("", none),
            ("https://fs.contoso.com/adfs/ls/", none),
            ("http://fs.contoso.com/adfs/services/trust/2005/usernamemixed", bad),
            ("fs.contoso.com", bad),
        ];
        for (url, expected) in cases {
            let error = active(url).unwrap_err();
            assert!(expected(&error), "{url}: {error:?}");
        }
        let metadata = |url: &str| realm(&format!("\"federation_metadata_url\":{url}")).metadata_endpoint();
        assert!(matches!(metadata("null"), Ok(None)));
        assert!(matches!(metadata("\"https://fs.contoso.com/mex\""), Ok(Some(_))));
        assert!(matches!(metadata("\"http://fs.contoso.com/mex\""), Err(Error::BadResponse { .. })));
    }
}
