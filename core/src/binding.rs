//! Tokens that are bound to a key: how they are asked for and kept apart (sections 8.1 and 8.3 of the reference).

use alloc::string::{String, ToString};
use core::fmt;

use crate::cache::Scheme;
use crate::error::Config;
use crate::jose::Jwk;
use crate::pop::shr::{self, Profile, SignedRequest};
use crate::pop::{PopKey, dpop};

/// A key that a token is bound to. A server that answers with a bearer token is refused.
#[derive(Clone, PartialEq, Eq)]
pub struct Binding {
    kind: Kind,
    /// The key, or what names it, as the server wants it; empty where the key is named elsewhere.
    req_cnf: String,
    key_id: String,
}

/// How the token is bound.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    SshCertificate,
    Pop,
    Dpop,
}

impl Binding {
    /// A PoP token for this public key: requests to the resource are signed with its private half, see
    /// [`shr`]. Asked for as Entra's libraries do, and kept under the key's thumbprint.
    pub fn pop(key: &Jwk) -> Self {
        Self { kind: Kind::Pop, req_cnf: shr::req_cnf(key), key_id: key.thumbprint() }
    }

    /// A DPoP token (RFC 9449) for this public key. The token request itself is proved: the client needs the key,
    /// [`dpop_key`](crate::client::ClientBuilder::dpop_key).
    pub fn dpop(key: &Jwk) -> Self {
        Self { kind: Kind::Dpop, req_cnf: String::new(), key_id: key.thumbprint() }
    }

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
        Ok(Self { kind: Kind::SshCertificate, req_cnf: req_cnf.to_string(), key_id: key_id.to_string() })
    }

    /// The `token_type` that must come back.
    pub fn token_type(&self) -> &'static str {
        match self.kind {
            Kind::SshCertificate => "ssh-cert",
            Kind::Pop => "pop",
            Kind::Dpop => dpop::TOKEN_TYPE,
        }
    }

    /// The name under which its tokens are kept: for PoP and DPoP the key's thumbprint (RFC 7638).
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The parameters of the token request; empty ones are not sent.
    pub(crate) fn parameters(&self) -> [(&'static str, &str); 3] {
        let (token_type, key_id) = match self.kind {
            Kind::SshCertificate => (self.token_type(), self.key_id.as_str()),
            Kind::Pop => (self.token_type(), ""),
            Kind::Dpop => ("", ""),
        };
        [("token_type", token_type), ("req_cnf", &self.req_cnf), ("key_id", key_id)]
    }

    /// `dpop_jkt` of an authorization request, which binds the code too (RFC 9449 s10).
    pub(crate) fn dpop_jkt(&self) -> Option<&str> {
        (self.kind == Kind::Dpop).then_some(&self.key_id)
    }

    /// The key that the token request must be proved with, where it must.
    ///
    /// # Errors
    /// [`Config::ProofKey`] when it is another one than `own`.
    pub(crate) fn proof_key<'a>(&self, own: Option<&'a PopKey>) -> Result<Option<&'a PopKey>, Config> {
        match (self.dpop_jkt(), own) {
            (None, _) => Ok(None),
            (Some(jkt), Some(key)) if key.thumbprint() == jkt => Ok(Some(key)),
            (Some(_), _) => Err(Config::ProofKey),
        }
    }

    /// How its tokens are kept apart in the cache.
    pub(crate) fn scheme(&self) -> Scheme<'_> {
        Scheme::Bound { token_type: self.token_type(), key_id: &self.key_id }
    }

    /// What tells it from others, for the key of an acquisition.
    pub(crate) fn inputs(&self) -> [Option<&[u8]>; 3] {
        [self.token_type(), &self.req_cnf, &self.key_id].map(|value| Some(value.as_bytes()))
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Binding({})", self.token_type())
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
        let scheme = Self::with_any_method(http_method, url, nonce)?;
        match Self::METHODS.contains(&http_method) {
            true => Ok(scheme),
            false => Err(Config::HttpMethod),
        }
    }

    /// As [`new`](Self::new), with any method of HTTP (RFC 9110 s9.1), which MSAL does not take.
    ///
    /// # Errors
    /// [`Config::Missing`] for an empty part, [`Config::HttpMethod`] for what is no method.
    pub fn with_any_method(http_method: &str, url: &str, nonce: &str) -> Result<Self, Config> {
        for (name, text) in [("HTTP method", http_method), ("address", url), ("nonce", nonce)] {
            if text.is_empty() {
                return Err(Config::Missing(name));
            }
        }
        if !shr::is_method(http_method) {
            return Err(Config::HttpMethod);
        }
        Ok(Self { http_method: http_method.to_string(), url: url.to_string(), nonce: nonce.to_string() })
    }

    /// The request as it is to be signed, in the words of Entra's libraries: see [`shr::sign`].
    pub fn request(&self) -> SignedRequest<'_> {
        SignedRequest {
            method: &self.http_method,
            url: &self.url,
            nonce: Some(&self.nonce),
            profile: Profile::Entra { client_claims: None },
        }
    }

    /// The method, as it was given.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes() {
        // Section 8.1 of the reference.
        let url = "https://r.example/a";
        let cases = [
            (("GET", url, "n"), Ok(()), Ok(())),
            (("PATCH", url, "n"), Ok(()), Ok(())),
            (("HEAD", url, "n"), Err(Config::HttpMethod), Ok(())),
            (("get", url, "n"), Err(Config::HttpMethod), Ok(())),
            (("G T", url, "n"), Err(Config::HttpMethod), Err(Config::HttpMethod)),
            (("", url, "n"), Err(Config::Missing("HTTP method")), Err(Config::Missing("HTTP method"))),
            (("GET", "", "n"), Err(Config::Missing("address")), Err(Config::Missing("address"))),
            (("GET", url, ""), Err(Config::Missing("nonce")), Err(Config::Missing("nonce"))),
        ];
        for ((method, url, nonce), expected, of_any) in cases {
            assert_eq!(PopAuthScheme::new(method, url, nonce).map(|_| ()), expected, "{method} {url} {nonce}");
            assert_eq!(
                PopAuthScheme::with_any_method(method, url, nonce).map(|_| ()),
                of_any,
                "{method} {url} {nonce}"
            );
        }
        for method in PopAuthScheme::METHODS {
            let scheme = PopAuthScheme::new(method, url, "n").unwrap();
            assert_eq!((scheme.http_method(), scheme.url(), scheme.nonce()), (method, url, "n"));
            assert_eq!((scheme.request().method, scheme.request().nonce), (method, Some("n")));
        }
    }

    #[test]
    fn parameters() {
        let jwk = Jwk::p256([1; 32], [2; 32]);
        let (kid, cnf) = (jwk.thumbprint(), shr::req_cnf(&jwk));
        let cases = [
            (Binding::pop(&jwk), "pop", ["pop", &cnf, ""], kid.as_str()),
            (Binding::dpop(&jwk), "DPoP", ["", "", ""], &kid),
            (Binding::ssh_certificate("{}", "k").unwrap(), "ssh-cert", ["ssh-cert", "{}", "k"], "k"),
        ];
        for (binding, token_type, parameters, key_id) in cases {
            assert_eq!(binding.token_type(), token_type);
            assert_eq!(
                binding.parameters(),
                [("token_type", parameters[0]), ("req_cnf", parameters[1]), ("key_id", parameters[2])]
            );
            assert!(binding.scheme() == Scheme::Bound { token_type, key_id }, "{token_type}");
            assert_eq!(binding.dpop_jkt().is_some(), token_type == "DPoP");
        }
    }
}
