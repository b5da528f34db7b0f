//! What a federation server says about itself and answers, and what users type on the way to it.

use core::str;

use crate::base64::url_decode;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::limits::{MAX_FAULT_TEXT, MAX_XML_ATTRIBUTES, MAX_XML_DEPTH};
use crate::secret::Secret;
use crate::time::{Millis, UnixTime};
use crate::wstrust::{RequestSecurityToken, SamlToken, TrustEndpoint, UserRealm, Version, choose};
use crate::xml;

/// A secret that a server may repeat.
const PLANTED: &str = "pl4nted-s3cret";

/// Documents stay in the bounds that were counted before they were parsed, and only https addresses are chosen from them.
pub fn xml_mex(data: &[u8]) {
    if let Ok(document) = xml::parse(data) {
        for node in document.descendants().filter(|node| node.is_element()) {
            assert!(node.ancestors().filter(|node| node.is_element()).count() <= MAX_XML_DEPTH);
            assert!(node.attributes().count() <= MAX_XML_ATTRIBUTES);
            let inner = xml::raw_inner(&document, node);
            assert!(document.input_text().get(node.range()).is_some_and(|whole| whole.contains(inner)));
            assert_eq!(
                inner.contains('<'),
                node.children().any(|child| !child.is_text()) || inner.contains("<![CDATA[")
            );
        }
    }
    if let Ok(chosen) = choose(data) {
        assert!(chosen.address.is_https() && xml::parse(data).is_ok());
    }
}

/// A token is a part of the answer as it was received; nothing else of an answer, and no password, is in an error.
pub fn wstrust_response(data: &[u8]) {
    let secret = Secret::from(PLANTED);
    for status in [200, 500] {
        match SamlToken::read(status, None, data, &secret) {
            Ok(token) => {
                let raw = token.xml().expose().as_bytes();
                assert!(status == 200 && data.windows(raw.len().max(1)).any(|window| window == raw));
                assert_eq!(url_decode(token.assertion().expose()).as_deref(), Some(raw));
                assert!(xml::parse(raw).is_ok());
            }
            Err(Error::Fault(fault)) => {
                assert!(fault.reason().chars().count() <= MAX_FAULT_TEXT);
                assert!(!alloc::format!("{fault} {fault:?}").contains(PLANTED));
            }
            Err(_) => {}
        }
    }
    let Ok(text) = str::from_utf8(data) else { return };
    typed(text);
}

/// A text that a user types stays a name and a password: it becomes no markup, and no other path.
fn typed(text: &str) {
    let Ok(address) = Endpoint::parse("https://fs.example/adfs/services/trust/13/usernamemixed") else { return };
    if let Ok(realm) = UserRealm::address(&address, text) {
        assert_eq!((realm.segments().count(), realm.query()), (3, Some("api-version=1.0")));
    }
    let password = Secret::from(text);
    let endpoint = TrustEndpoint { address, version: Version::V13 };
    let asked = RequestSecurityToken { endpoint: &endpoint, audience: "urn:a", username: "u", password: &password };
    let Ok(request) = asked.to_request("id", UnixTime(0), Millis(1)) else { return };
    let Some(body) = request.body else { return };
    let Ok(document) = xml::parse(body.bytes.expose()) else {
        // Longer than what we would read ourselves.
        assert!(text.len() > 10_000);
        return;
    };
    let mut named = document.descendants().filter(|node| node.tag_name().name() == "Password");
    let read = named.next().map(|node| node.text().unwrap_or_default());
    assert_eq!((read, named.next().is_none()), (Some(text), true));
}
