//! The two versions of WS-Trust that federation servers speak, with the names each has (section 4.9 of the reference).

use crate::endpoint::Endpoint;

/// A version of WS-Trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// WS-Trust 1.3 (OASIS, 2007).
    V13,
    /// The submission of February 2005.
    V2005,
}

impl Version {
    pub(crate) const ALL: [Self; 2] = [Self::V13, Self::V2005];

    /// The SOAP action that asks for a token.
    pub const fn action(self) -> &'static str {
        match self {
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/RST/Issue",
            Self::V2005 => "http://schemas.xmlsoap.org/ws/2005/02/trust/RST/Issue",
        }
    }

    /// The namespace of its elements.
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512",
            Self::V2005 => "http://schemas.xmlsoap.org/ws/2005/02/trust",
        }
    }

    /// `KeyType`: a bearer token.
    pub const fn key_type(self) -> &'static str {
        match self {
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Bearer",
            Self::V2005 => "http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey",
        }
    }

    /// `RequestType`: a new token.
    pub const fn request_type(self) -> &'static str {
        match self {
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Issue",
            Self::V2005 => "http://schemas.xmlsoap.org/ws/2005/02/trust/Issue",
        }
    }

    /// The version that a SOAP action belongs to.
    pub fn of_action(action: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.action() == action)
    }

    /// The version that the path of an ADFS endpoint tells. The path alone: a query says nothing about it (G-39).
    pub fn of_path(endpoint: &Endpoint) -> Option<Self> {
        let path = endpoint.path().trim_end_matches('/').to_ascii_lowercase();
        [("/trust/2005/usernamemixed", Self::V2005), ("/trust/13/usernamemixed", Self::V13)]
            .into_iter()
            .find_map(|(end, version)| path.ends_with(end).then_some(version))
    }
}

/// Where a name and a password can be turned into a SAML token, and in which words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustEndpoint {
    /// The address.
    pub address: Endpoint,
    /// What is spoken there.
    pub version: Version,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_paths() {
        let cases = [
            ("https://fs.example/adfs/services/trust/2005/usernamemixed", Some(Version::V2005)),
            ("https://fs.example/adfs/services/trust/13/usernamemixed", Some(Version::V13)),
            ("https://fs.example/ADFS/services/Trust/13/UsernameMixed/", Some(Version::V13)),
            ("https://fs.example/adfs/services/trust/13/usernamemixed?x=/trust/2005/usernamemixed", Some(Version::V13)),
            ("https://fs.example/adfs/services/trust/13/windowstransport?x=/trust/2005/usernamemixed", None),
            ("https://fs.example/adfs/services/trust/13/usernamemixed2", None),
            ("https://fs.example/", None),
        ];
        for (address, version) in cases {
            assert_eq!(Version::of_path(&Endpoint::parse(address).unwrap()), version, "{address}");
        }
    }

    #[test]
    fn actions() {
        for version in Version::ALL {
            assert_eq!(Version::of_action(version.action()), Some(version));
            assert!(version.action().starts_with(version.namespace()));
        }
        assert_eq!(Version::of_action("urn:other-action"), None);
    }
}
