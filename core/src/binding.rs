//! Tokens that are bound to a key: how they are asked for and kept apart (sections 8.1 and 8.3 of the reference).

use alloc::string::{String, ToString};
use core::fmt;

use crate::cache::Scheme;
use crate::error::Config;

/// A key that a token is bound to. A server that answers with a bearer token is refused.
#[derive(Clone, PartialEq, Eq)]
pub struct Binding {
    token_type: &'static str,
    /// The key, or what names it, as the server wants it.
    req_cnf: String,
    key_id: String,
}

impl Binding {
    /// An SSH certificate for this key: `req_cnf` is its public half as a JWK, `key_id` the name under which it is kept.
    ///
    /// # Errors
    /// [`Config::Missing`] when either is empty.
    pub fn ssh_certificate(req_cnf: &str, key_id: &str) -> Result<Self, Config> {
        for (name, text) in [("req_cnf", req_cnf), ("key_id", key_id)] {
            if text.is_empty() {
                return Err(Config::Missing(name));
            }
        }
        Ok(Self { token_type: "ssh-cert", req_cnf: req_cnf.to_string(), key_id: key_id.to_string() })
    }

    /// `token_type` as it is asked for.
    pub fn token_type(&self) -> &'static str {
        self.token_type
    }

    /// The parameters of the token request.
    pub(crate) fn parameters(&self) -> [(&'static str, &str); 3] {
        [("token_type", self.token_type), ("req_cnf", &self.req_cnf), ("key_id", &self.key_id)]
    }

    /// How its tokens are kept apart in the cache.
    pub(crate) fn scheme(&self) -> Scheme<'_> {
        Scheme::Bound { token_type: self.token_type, key_id: &self.key_id }
    }

    /// What tells it from others, for the key of an acquisition.
    pub(crate) fn inputs(&self) -> [Option<&[u8]>; 3] {
        self.parameters().map(|(_, value)| Some(value.as_bytes()))
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Binding({})", self.token_type)
    }
}

/// For which request a proof-of-possession token is asked: MSAL's `PopAuthScheme`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PopAuthScheme {
    http_method: String,
    url: String,
    nonce: String,
}

impl PopAuthScheme {
    /// The methods that the reference knows.
    pub const METHODS: [&'static str; 5] = ["GET", "POST", "PUT", "DELETE", "PATCH"];

    /// A request with this method to this address, with the nonce of the resource's challenge.
    ///
    /// # Errors
    /// [`Config::Missing`] for an empty part, [`Config::HttpMethod`] for a method that is none of
    /// [`METHODS`](Self::METHODS).
    pub fn new(http_method: &str, url: &str, nonce: &str) -> Result<Self, Config> {
        for (name, text) in [("HTTP method", http_method), ("address", url), ("nonce", nonce)] {
            if text.is_empty() {
                return Err(Config::Missing(name));
            }
        }
        if !Self::METHODS.contains(&http_method) {
            return Err(Config::HttpMethod);
        }
        Ok(Self { http_method: http_method.to_string(), url: url.to_string(), nonce: nonce.to_string() })
    }

    /// The method, in upper case.
    pub fn http_method(&self) -> &str {
        &self.http_method
    }

    /// The address, as it was given.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The nonce.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }
}
