//! What an application and a cloud say about where to sign in, and the memory of what a server refused.

use alloc::vec::Vec;
use core::str;

use crate::client::{Authority, AuthorityKind, HostPolicy, RegionName, Settings, host_allowed, issuer_is_valid};
use crate::endpoint::Endpoint;
use crate::entropy::{Entropy, NoEntropy};
use crate::http::Request;
use crate::region::location;
use crate::secret::SecretBytes;
use crate::store::{Answered, Changes, Fact, Kept, Store};
use crate::time::Millis;

/// An authority that is accepted is https, its metadata lies on its own host, and it vouches for itself as an issuer.
pub fn authority(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    for authority in [Authority::parse(text), Authority::oidc(text)].into_iter().flatten() {
        assert!(authority.endpoint().is_https());
        assert!(authority.kind() == AuthorityKind::Oidc || !authority.tenant().is_empty());
        assert!(!authority.tenant().contains('/'));
        let settings = Settings::default();
        assert_eq!(settings.hosts, HostPolicy::Authority);
        if let Ok(metadata) = authority.metadata_endpoint() {
            assert_eq!(metadata.host(), authority.host());
            assert_eq!(metadata.port_or_default(), authority.endpoint().port_or_default());
            assert!(host_allowed(&authority, &settings, &metadata));
            assert!(metadata.path().ends_with("/.well-known/openid-configuration"));
        }
        assert!(issuer_is_valid(authority.as_str(), &authority, &Settings::default()));
        let foreign = Endpoint::parse("https://evil.example/token");
        assert!(
            authority.host().ends_with("evil.example")
                || !foreign.is_ok_and(|f| host_allowed(&authority, &settings, &f))
        );
    }
}

/// A region that is believed is one DNS label: nothing that a metadata service says can lead to another domain.
pub fn region_answer(data: &[u8]) {
    let named = str::from_utf8(data).ok().and_then(|text| RegionName::parse(text).ok());
    let Ok(authority) = Authority::parse("https://login.microsoftonline.com/t") else { return };
    for region in [location(data), named].into_iter().flatten() {
        let label = region.as_str();
        assert!((1..=63).contains(&label.len()) && !label.contains(['.', '/', ':', '@']));
        let Ok(endpoint) = region.metadata_endpoint(&authority, "t") else { panic!("a region without an address") };
        assert_eq!(endpoint.host().strip_prefix(label), Some(".login.microsoft.com"));
        assert!(host_allowed(&authority, &Settings::default(), &endpoint));
    }
}

/// The throttle memory against a list that is searched from its end: the same answers always.
pub fn throttle_memory(data: &[u8]) {
    let Ok(mut store) = Store::new(&mut Zero) else { return };
    let mut model: Vec<(u8, Kept<Answered>)> = Vec::new();
    let mut now = Millis(1_000_000);
    for operation in data.chunks_exact(4) {
        let [what, path, span, value] = *operation else { return };
        let Ok(endpoint) = Endpoint::parse(&alloc::format!("https://a.example/{path}")) else { return };
        let key = store.memory.process_key().wire(&Request::get(endpoint, 1, Millis(1)));
        match what % 3 {
            0 => {
                let answered = Answered { status: u16::from(value), body: SecretBytes::from(&[value][..]) };
                let kept = Kept::for_seconds(answered, now, u64::from(span));
                model.push((path, kept.clone()));
                let memory = Vec::from([Fact::Answered(kept.value).for_seconds(key.as_bytes(), now, u64::from(span))]);
                store.apply(Changes { tokens: Vec::new(), memory });
            }
            // A clock that goes backwards belongs to what is remembered from the future: nothing of that counts.
            1 => now = Millis(now.0.saturating_sub(u64::from(span).saturating_mul(100))),
            _ => now = now.after(Millis(u64::from(span).saturating_mul(100))),
        }
        let last = model.iter().rev().find(|(p, _)| *p == path).map(|(_, kept)| kept);
        let expected = last.filter(|kept| kept.from <= now && now < kept.until);
        let got = store.memory.answered(&key, now);
        assert_eq!(got.map(|(a, _)| a.status), expected.map(|kept| kept.value.status));
        assert_eq!(got.map(|(_, left)| left), expected.map(|kept| kept.until.since(now).as_secs_ceil()));
    }
}

struct Zero;

impl Entropy for Zero {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        out.fill(0);
        Ok(())
    }
}
