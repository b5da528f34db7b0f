//! Tokens that are bound to a key: how they are asked for and kept apart (sections 8.1 and 8.3 of the reference).

use alloc::string::{String, ToString};
#[cfg(not(feature = "pop"))]
use core::convert::Infallible;
use core::fmt;

use crate::base64::url_encode;
use crate::cache::Scheme;
use crate::client::{Client, ClientCertificate};
use crate::error::{Config, Error, What};
use crate::jose::Compact;
use crate::pop::shr::{self, Profile, SignedRequest};
use crate::pop::{PopKey, dpop};
use crate::token::TokenResponse;
#[cfg(feature = "pop")]
use {
    crate::client::{AuthScheme, Credential},
    crate::jose::Jwk,
};

/// A key that a token is bound to. A server that answers with a bearer token is refused.
#[derive(Clone, PartialEq, Eq)]
pub struct Binding {
    kind: Kind,
    /// The key, or what names it, as the server wants it; empty where the key is named elsewhere.
    req_cnf: String,
    key_id: String,
    /// Without the feature there is no value of this type, and whatever is done with one is left out of the program.
    #[cfg(not(feature = "pop"))]
    never: Infallible,
}

/// How the token is bound.
#[cfg_attr(not(feature = "pop"), expect(dead_code, reason = "there is no binding"))]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    SshCertificate,
    Pop,
    Dpop,
    /// By the client certificate of the connection.
    Tls,
    /// The same, where the server may have issued a token that anybody can use.
    PerhapsTls,
}

impl Binding {
    #[cfg(feature = "pop")]
    /// A PoP token for this public key: requests to the resource are signed with its private half, see
    /// [`shr`]. Asked for as Entra's libraries do, and kept under the key's thumbprint.
    pub fn pop(key: &Jwk) -> Self {
        Self { kind: Kind::Pop, req_cnf: shr::req_cnf(key), key_id: key.thumbprint() }
    }

    #[cfg(feature = "pop")]
    /// A DPoP token (RFC 9449) for this public key. The token request itself is proved: the client needs the key,
    /// [`dpop_key`](crate::client::ClientBuilder::dpop_key).
    pub fn dpop(key: &Jwk) -> Self {
        Self { kind: Kind::Dpop, req_cnf: String::new(), key_id: key.thumbprint() }
    }

    #[cfg(feature = "pop")]
    /// A token that is bound to the client certificate of the connection (RFC 8705 s3) and kept under the thumbprint of it. The
    /// client needs the certificate, [`client_certificate`](crate::client::ClientBuilder::client_certificate). A token that says
    /// itself that it is bound otherwise is refused; one that says nothing is believed.
    pub fn certificate(certificate: &ClientCertificate) -> Self {
        Self { kind: Kind::Tls, req_cnf: String::new(), key_id: url_encode(certificate.x5t_s256()) }
    }

    #[cfg(not(feature = "pop"))]
    pub(crate) fn of(_: &Client) -> Option<Self> {
        None
    }

    /// As the client wants all its tokens bound: [`auth_scheme`](crate::client::ClientBuilder::auth_scheme). Whoever authenticates
    /// by TLS may get tokens that are bound to the certificate without asking (RFC 8705 s3.4): they are kept as such.
    #[cfg(feature = "pop")]
    pub(crate) fn of(client: &Client) -> Option<Self> {
        match (client.auth_scheme(), client.dpop_key(), client.client_certificate()) {
            (AuthScheme::Pop, Some(key), _) => Some(Self::pop(key.jwk())),
            (AuthScheme::Dpop, Some(key), _) => Some(Self::dpop(key.jwk())),
            (AuthScheme::Tls, _, Some(certificate)) => Some(Self::certificate(certificate)),
            (AuthScheme::Bearer, _, Some(certificate)) if matches!(client.credential(), Credential::Tls) => {
                Some(Self { kind: Kind::PerhapsTls, ..Self::certificate(certificate) })
            }
            _ => None,
        }
    }

    #[cfg(feature = "pop")]
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

    /// The `token_type` that must come back; `Bearer` for certificates.
    pub fn token_type(&self) -> &'static str {
        match self.kind {
            Kind::SshCertificate => "ssh-cert",
            Kind::Pop => "pop",
            Kind::Dpop => dpop::TOKEN_TYPE,
            // RFC 8705 s3: what binds it does not show in its type.
            Kind::Tls | Kind::PerhapsTls => "Bearer",
        }
    }

    /// Whether this answer has a token that is bound so, as far as it can be told.
    ///
    /// # Errors
    /// [`Error::BadResponse`] for a bearer token in place of a bound one: a downgrade.
    pub(crate) fn check(&self, response: &TokenResponse) -> Result<(), Error> {
        let bad = |at| Err(Error::BadResponse { what: What::TokenResponse, at });
        if !response.token_type().eq_ignore_ascii_case(self.token_type()) {
            return bad("token_type is not what was asked");
        }
        // A token that is no JWT is opaque to us.
        let claims = response.access_token().and_then(|token| Compact::parse(token).ok()?.decode_payload().ok());
        let Some(claims) = claims.filter(|_| self.kind == Kind::Tls) else { return Ok(()) };
        match claims.get("cnf").and_then(|cnf| cnf.get("x5t#S256")?.as_str()) {
            Some(bound) if bound == self.key_id => Ok(()),
            Some(_) => bad("cnf of the access token names another certificate"),
            None => bad("cnf of the access token names no certificate"),
        }
    }

    /// The name under which its tokens are kept: for PoP and DPoP the key's thumbprint (RFC 7638), for certificates theirs
    /// (`x5t#S256`).
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The parameters of the token request; empty ones are not sent.
    pub(crate) fn parameters(&self) -> [(&'static str, &str); 3] {
        let (token_type, key_id) = match self.kind {
            Kind::SshCertificate => (self.token_type(), self.key_id.as_str()),
            Kind::Pop => (self.token_type(), ""),
            Kind::Dpop | Kind::Tls | Kind::PerhapsTls => ("", ""),
        };
        [("token_type", token_type), ("req_cnf", &self.req_cnf), ("key_id", key_id)]
    }

    /// `dpop_jkt` of an authorization request, which binds the code too (RFC 9449 s10).
    pub(crate) fn dpop_jkt(&self) -> Option<&str> {
        (self.kind == Kind::Dpop).then_some(&self.key_id)
    }

    /// Whether the token request must be made with the client certificate of this thumbprint.
    ///
    /// # Errors
    /// [`Config::ClientCertificate`] when the client has another one or none.
    pub(crate) fn check_certificate(&self, own: Option<&ClientCertificate>) -> Result<(), Config> {
        match (self.kind, own) {
            (Kind::Tls | Kind::PerhapsTls, Some(own)) if url_encode(own.x5t_s256()) == self.key_id => Ok(()),
            (Kind::Tls | Kind::PerhapsTls, _) => Err(Config::ClientCertificate),
            _ => Ok(()),
        }
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

/// For which request a proof-of-possession token is asked: MSAL's `PopAuthScheme`. `Debug` shows the method: queries hold secrets.
#[derive(Clone, PartialEq, Eq)]
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

impl fmt::Debug for PopAuthScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PopAuthScheme").field("http_method", &self.http_method).finish_non_exhaustive()
    }
}

#[cfg(feature = "pop")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyName;

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
            (
                Binding::certificate(&ClientCertificate::new(KeyName("c".to_string()), [0; 32])),
                "Bearer",
                ["", "", ""],
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            ),
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
