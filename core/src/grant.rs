//! Authorization grants as data (RFC 6749 s1.3): what a flow has in hand when it comes to the token endpoint.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::client::Scopes;
use crate::secret::Secret;

/// What is redeemed at the token endpoint. Only [`exchange`](crate::exchange) turns it into a request.
#[non_exhaustive]
#[derive(Clone)]
pub enum Grant {
    /// The application on its own behalf (RFC 6749 s4.4).
    ClientCredentials {
        /// What for; sent as it is.
        scopes: Scopes,
        /// The `claims` parameter, merged.
        claims: Option<Secret>,
        /// Microsoft's federated managed identity path.
        fmi_path: Option<String>,
    },
}

impl Grant {
    /// `grant_type`
    pub const fn grant_type(&self) -> &'static str {
        match self {
            Self::ClientCredentials { .. } => "client_credentials",
        }
    }

    /// The federated managed identity path, which the makers of assertions are told.
    pub fn fmi_path(&self) -> Option<&str> {
        match self {
            Self::ClientCredentials { fmi_path, .. } => fmi_path.as_deref(),
        }
    }

    /// The grant's own parameters; empty ones are not sent.
    pub fn parameters(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::ClientCredentials { scopes, claims, fmi_path } => Vec::from([
                ("scope", scopes.as_str()),
                ("claims", claims.as_ref().map(Secret::expose).unwrap_or_default()),
                ("fmi_path", fmi_path.as_deref().unwrap_or_default()),
            ]),
        }
    }
}

/// The kind alone: what is redeemed is secret.
impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Grant({})", self.grant_type())
    }
}
