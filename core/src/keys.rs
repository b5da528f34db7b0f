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

#[cfg(feature = "assertions")]
/// Identifies a signed client assertion by what it says and who signed it; key of the assertions that are held.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AssertionKey([u8; 32]);

impl WireKey {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(feature = "assertions")]
impl AssertionKey {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// These headers name the call, not what it asks for: they differ in each request by design.
const PER_CALL: [&str; 4] =
    ["client-request-id", "x-ms-client-request-id", "x-client-current-telemetry", "x-client-last-telemetry"];

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
    #[cfg(feature = "assertions")]
    pub(crate) fn assertion<'a>(&self, inputs: impl Iterator<Item = Option<&'a [u8]>>) -> AssertionKey {
        AssertionKey(self.list("assertion", inputs))
    }

    fn list<'a>(&self, purpose: &str, inputs: impl Iterator<Item = Option<&'a [u8]>>) -> [u8; 32] {
        let mut digest = Digest::new(self, purpose);
        inputs.for_each(|input| digest.add_option(input));
        digest.finish()
    }
}

impl AcquireKey {
    /// For processes that share a [`ProcessKey`], as the name of a lease in a store that they share too. Not for logs.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
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

#[cfg(feature = "assertions")]
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

#[cfg(feature = "assertions")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Client, Credential, KeyCredential, Settings, Signer};
    use crate::client_credentials::ClientCredentials;
    use crate::endpoint::Endpoint;
    use crate::http::{Body, Header};
    use crate::key::KeyName;
    use crate::secret::{Secret, SecretBytes};
    use crate::time::Millis;
    use alloc::collections::BTreeMap;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    struct Fixed;
    impl Entropy for Fixed {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
            out.fill(7);
            Ok(())
        }
    }

    /// A few thousand choices of every member, all from small sets, so that neighbours differ in one member only.
    struct Choices(u64);
    impl Choices {
        fn of<'a>(&mut self, from: &[&'a str]) -> &'a str {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            from[usize::try_from(self.0 >> 33).unwrap() % from.len()]
        }
    }

    fn request(c: &mut Choices) -> (Request, String) {
        let mut said = Vec::new();
        let mut pick = |from: &[&'static str]| {
            let chosen = c.of(from);
            said.push(chosen);
            chosen
        };
        let address = pick(&[
            "https://a.example/t",
            "https://a.example/t?",
            "https://a.example/t?q",
            "https://b.example/t",
            "https://a.example:444/t",
            "https://a.example/t/",
        ]);
        let endpoint = Endpoint::parse(address).unwrap();
        let mut request = match pick(&["get", "form", "json", "empty"]) {
            "get" => Request::get(endpoint, 10, Millis(1)),
            kind => {
                let fields = [
                    ("client_secret", pick(&["s", "ss", ""])),
                    ("scope", pick(&["s", "x"])),
                    ("assertion", pick(&["", "s"])),
                ];
                let mut body = Body::form(fields.iter().copied());
                if kind == "json" {
                    body.content_type = "application/json";
                }
                if kind == "empty" {
                    body.bytes = SecretBytes::from(&b""[..]);
                    said.truncate(2);
                }
                Request::post(endpoint, body, 10, Millis(1))
            }
        };
        let mut pick = |from: &[&'static str]| {
            let chosen = c.of(from);
            said.push(chosen);
            chosen
        };
        for name in ["x-a", "x-b"] {
            match pick(&["none", "", "v", "w"]) {
                "none" => {}
                value => request.headers.push(Header { name, value: value.into() }),
            }
        }
        match pick(&["system", "pin 1", "pin 2"]) {
            "pin 1" => request.server = ServerTrust::Thumbprint([1; 20]),
            "pin 2" => request.server = ServerTrust::Thumbprint([2; 20]),
            _ => {}
        }
        match pick(&["no cert", "", "c"]) {
            "no cert" => {}
            name => request.client_cert = Some(KeyName(name.to_string())),
        }
        request.proxy = if pick(&["default", "never"]) == "never" { Proxy::Never } else { Proxy::Default };
        request.repeat = if pick(&["safe", "once"]) == "safe" { Repeat::Safe } else { Repeat::OnlyIfNotSent };
        request.response_limit = if pick(&["10", "11"]) == "11" { 11 } else { 10 };
        request.attempt_timeout = if pick(&["1", "2"]) == "2" { Millis(2) } else { Millis(1) };
        // These two name the call and must not count.
        request.headers.push(Header { name: "client-request-id", value: c.of(&["a", "b"]).into() });
        (request, said.join("\u{0}"))
    }

    #[test]
    fn wire_keys_are_equal_only_for_equal_requests() {
        let key = ProcessKey::new(&mut Fixed).unwrap();
        let (mut by_text, mut by_key) = (BTreeMap::new(), BTreeMap::new());
        let mut choices = Choices(1);
        for _ in 0..30_000 {
            let (request, text) = request(&mut choices);
            let wire = key.wire(&request);
            assert_eq!(*by_text.entry(text.clone()).or_insert(wire), wire, "{text}");
            assert_eq!(*by_key.entry(wire).or_insert(text.clone()), text);
        }
        assert!(by_key.len() > 10_000);
    }

    fn acquisition(c: &mut Choices) -> (Client, ClientCredentials, String) {
        let mut said = Vec::new();
        let mut pick = |from: &[&'static str]| {
            let chosen = c.of(from);
            said.push(chosen);
            chosen
        };
        let key = |name: &str, thumbprint| {
            let signer = Signer::External(KeyName(name.to_string()));
            Credential::Key(KeyCredential::with_thumbprints(signer, Some(thumbprint), None).unwrap().into())
        };
        let credential =
            match pick(&["none", "secret a", "secret b", "assertion a", "callback", "key a", "key b", "key a 2"]) {
                "secret a" => Credential::secret("a"),
                "secret b" => Credential::secret("b"),
                "assertion a" => Credential::Assertion(Secret::from("a")),
                "callback" => Credential::AssertionCallback,
                "key a" => key("a", [1; 20]),
                "key b" => key("b", [1; 20]),
                "key a 2" => key("a", [2; 20]),
                _ => Credential::None,
            };
        let capabilities = match pick(&["", "CP1", "CP1,CP2", "CP1 CP2"]) {
            "" => Vec::new(),
            list => list.split(',').map(String::from).collect(),
        };
        let settings = Settings { client_capabilities: capabilities, ..Settings::default() };
        let client = Client::builder(pick(&["app", "app2"]))
            .authority(pick(&["https://login.microsoftonline.com/t", "https://login.microsoftonline.com/u"]))
            .credential(credential)
            .settings(settings)
            .build()
            .unwrap();
        let scopes: Vec<&str> = pick(&["a", "a b", "ab", "b"]).split(' ').collect();
        let mut wanted = ClientCredentials::new(&scopes).unwrap();
        match pick(&["no challenge", "{}", r#"{"a":1}"#]) {
            "no challenge" => {}
            claims => wanted = wanted.claims_challenge(claims),
        }
        match pick(&["no forwarded", "{}", r#"{"a":1}"#]) {
            "no forwarded" => {}
            claims => wanted = wanted.forwarded_client_claims(claims),
        }
        match pick(&["no path", "", "p"]) {
            "no path" => {}
            path => wanted = wanted.fmi_path(path),
        }
        (client, wanted, said.join("\u{0}"))
    }

    #[test]
    fn acquire_keys_are_equal_only_for_equal_inputs() {
        let key = ProcessKey::new(&mut Fixed).unwrap();
        let (mut by_text, mut by_key) = (BTreeMap::new(), BTreeMap::new());
        let mut choices = Choices(2);
        for _ in 0..20_000 {
            let (client, wanted, text) = acquisition(&mut choices);
            let acquire = wanted.key(&client, &key);
            assert_eq!(*by_text.entry(text.clone()).or_insert(acquire), acquire, "{text}");
            assert_eq!(*by_key.entry(acquire).or_insert(text.clone()), text);
        }
        assert!(by_key.len() > 5_000);
    }
}
