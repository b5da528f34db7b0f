//! Keys over secrets: `WireKey` for what was sent, `AcquireKey` for what was asked. Keyed per process, never stored or logged (decision 6).

use core::fmt;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::entropy::{Entropy, NoEntropy};
use crate::http::{Method, Proxy, Repeat, Request, ServerTrust};

/// A random key of this process. Digests of two processes tell nothing about each other.
pub struct ProcessKey(Zeroizing<[u8; 64]>);

/// Identifies a request by everything that was sent, secrets included; key of the throttle memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WireKey([u8; 32]);

/// Identifies an acquisition by the caller's inputs, secrets included; key of single-flight.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AcquireKey([u8; 32]);

/// Identifies a signed client assertion by what it says and who signed it; key of the assertions that are held.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AssertionKey([u8; 32]);

/// These headers name the call, not what it asks for: they differ in each request by design.
const PER_CALL: [&str; 3] = ["client-request-id", "x-client-current-telemetry", "x-client-last-telemetry"];

impl ProcessKey {
    /// Draws a key.
    ///
    /// # Errors
    /// [`NoEntropy`] when the host has no random bytes.
    pub fn new(entropy: &mut dyn Entropy) -> Result<Self, NoEntropy> {
        let mut key = Zeroizing::new([0; 64]);
        entropy.fill(&mut *key)?;
        Ok(Self(key))
    }

    /// The key of a request: method, address, headers but those that name the call, body, and how it travels.
    pub fn wire(&self, request: &Request) -> WireKey {
        let mut digest = Digest::new(self, "wire");
        digest.add(match request.method {
            Method::Get => b"GET",
            Method::Post => b"POST",
        });
        digest.add(request.endpoint.origin().as_bytes());
        digest.add(request.endpoint.path().as_bytes());
        digest.add_option(request.endpoint.query().map(str::as_bytes));
        let headers = request.headers.iter().filter(|h| !PER_CALL.contains(&h.name));
        digest.add_count(headers.clone().count());
        for header in headers {
            digest.add(header.name.as_bytes());
            digest.add(header.value.expose().as_bytes());
        }
        digest.add_option(request.body.as_ref().map(|b| b.content_type.as_bytes()));
        digest.add_option(request.body.as_ref().map(|b| b.bytes.expose()));
        digest.add_option(match &request.server {
            ServerTrust::System => None,
            ServerTrust::Thumbprint(thumbprint) => Some(thumbprint),
        });
        digest.add_option(request.client_cert.as_ref().map(|name| name.0.as_bytes()));
        digest.add(match request.proxy {
            Proxy::Default => b"d",
            Proxy::Never => b"n",
        });
        digest.add(match request.repeat {
            Repeat::Safe => b"s",
            Repeat::OnlyIfNotSent => b"o",
        });
        digest.add_count(request.response_limit);
        digest.add(&request.attempt_timeout.0.to_le_bytes());
        WireKey(digest.finish())
    }

    /// The key of an acquisition from all its inputs, in a fixed order; an absent input is not an empty one.
    pub(crate) fn acquire<'a>(&self, inputs: impl Iterator<Item = Option<&'a [u8]>>) -> AcquireKey {
        AcquireKey(self.list("acquire", inputs))
    }

    /// The key of a held assertion.
    pub(crate) fn assertion<'a>(&self, inputs: impl Iterator<Item = Option<&'a [u8]>>) -> AssertionKey {
        AssertionKey(self.list("assertion", inputs))
    }

    fn list<'a>(&self, purpose: &str, inputs: impl Iterator<Item = Option<&'a [u8]>>) -> [u8; 32] {
        let mut digest = Digest::new(self, purpose);
        inputs.for_each(|input| digest.add_option(input));
        digest.finish()
    }
}

/// HMAC-SHA-256 (RFC 2104) over parts, each with its length before it: no two lists of parts look the same.
struct Digest(Hmac<Sha256>);

impl Digest {
    fn new(key: &ProcessKey, purpose: &str) -> Self {
        // As long as a block of SHA-256, so it is used as it stands.
        let mut digest = Self(Hmac::new((&*key.0).into()));
        digest.add(purpose.as_bytes());
        digest
    }

    fn add(&mut self, part: &[u8]) {
        self.add_count(part.len());
        self.0.update(part);
    }

    fn add_count(&mut self, count: usize) {
        self.0.update(&u64::try_from(count).unwrap_or(u64::MAX).to_le_bytes());
    }

    fn add_option(&mut self, part: Option<&[u8]>) {
        self.0.update(&[u8::from(part.is_some())]);
        self.add(part.unwrap_or_default());
    }

    fn finish(self) -> [u8; 32] {
        self.0.finalize().into_bytes().into()
    }
}

impl fmt::Debug for ProcessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProcessKey(..)")
    }
}

impl fmt::Debug for WireKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WireKey(..)")
    }
}

impl fmt::Debug for AssertionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AssertionKey(..)")
    }
}

impl fmt::Debug for AcquireKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AcquireKey(..)")
    }
}
