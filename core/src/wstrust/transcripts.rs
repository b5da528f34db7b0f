//! The recordings `ropc__*` of the reference library, read by the parts of this room.

use alloc::string::{String, ToString};
use roxmltree::{Document, Node};
use serde_json::Value;
use std::fs;
use std::vec::Vec;

use super::{RequestSecurityToken, SamlToken, UserRealm, choose};
use crate::client::Scopes;
use crate::endpoint::Endpoint;
use crate::error::{Config, Error, What};
use crate::grant::{Grant, SamlVersion};
use crate::secret::Secret;
use crate::time::{Millis, UnixTime};

/// Every call for a token in the recordings: its name, arguments and exchanges.
fn calls() -> Vec<(String, Value, Vec<Value>)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/transcripts");
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("ropc__federated") {
            continue;
        }
        let transcript: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for step in transcript["steps"].as_array().unwrap() {
            if step["call"] == "acquire_token_by_username_password" {
                out.push((name.clone(), step["args"].clone(), step["exchanges"].as_array().unwrap().clone()));
            }
        }
    }
    out
}

fn body(exchange: &Value) -> &str {
    exchange["response"]["body"].as_str().unwrap()
}

/// What a tree says: names, attributes, texts. UUIDs are left out.
fn told(node: Node<'_, '_>) -> Vec<String> {
    let elements = node.descendants().filter(Node::is_element);
    elements
        .map(|n| {
            let text = n.text().unwrap_or_default().trim();
            let text = if text.starts_with("urn:uuid:") { "urn:uuid:" } else { text };
            let attributes: Vec<_> = n.attributes().map(|a| (a.namespace(), a.name(), a.value())).collect();
            std::format!("{:?} {attributes:?} {text:?} in {:?}", n.tag_name(), n.parent().map(|p| p.tag_name()))
        })
        .collect()
}

/// From each recorded realm to the address and the envelope that the reference sent, to the assertion it took from the
/// answer; or to an error where it failed.
#[test]
fn federated_recordings() {
    let (mut envelopes, mut tokens, mut failures) = (0, 0, 0);
    for (name, args, exchanges) in calls() {
        let (username, password) = (args["username"].as_str().unwrap(), args["password"].as_str().unwrap());
        let mut exchanges = exchanges.iter();
        let first = exchanges.next().unwrap();
        let url = Endpoint::parse(first["request"]["url"].as_str().unwrap()).unwrap();
        let address = UserRealm::address(&url, username).unwrap();
        assert_eq!((address.path(), address.query()), (url.path(), Some("api-version=1.0")), "{name}");
        let realm = UserRealm::parse(body(first).as_bytes()).unwrap();
        assert!(realm.is_federated(), "{name}");
        let chosen = match realm.metadata_endpoint().unwrap() {
            Some(metadata) => {
                let mex = exchanges.next().unwrap();
                assert_eq!(mex["request"]["url"], metadata.to_string(), "{name}");
                choose(body(mex).as_bytes())
            }
            None => realm.active_endpoint(),
        };
        let (endpoint, exchange) = match (chosen, exchanges.next()) {
            (Ok(endpoint), Some(exchange)) => (endpoint, exchange),
            (
                Err(Error::BadResponse { what: What::Mex, .. } | Error::Config(Config::NoFederationEndpoint(_))),
                None,
            ) => {
                failures += 1;
                continue;
            }
            (chosen, exchange) => panic!("{name}: {chosen:?} {exchange:?}"),
        };
        let password = Secret::from(password);
        let asked =
            RequestSecurityToken { endpoint: &endpoint, audience: realm.audience(), username, password: &password };
        let id = "00001111-aaaa-4222-bbbb-3333cccc4444";
        let request = asked.to_request(id, UnixTime(1_700_000_000), Millis(1)).unwrap();
        let recorded = &exchange["request"];
        assert_eq!(recorded["url"], request.endpoint.to_string(), "{name}");
        assert_eq!(recorded["headers"]["SOAPAction"], request.headers[0].value.expose(), "{name}");
        let sent = request.body.unwrap();
        assert_eq!(recorded["headers"]["Content-type"], sent.content_type, "{name}");
        let ours = Document::parse(core::str::from_utf8(sent.bytes.expose()).unwrap()).unwrap();
        let theirs = Document::parse(recorded["body"]["$xml"].as_str().unwrap()).unwrap();
        assert_eq!(told(ours.root()), told(theirs.root()), "{name}");
        envelopes += 1;
        let status = u16::try_from(exchange["response"]["status"].as_u64().unwrap()).unwrap();
        match (SamlToken::read(status, None, body(exchange).as_bytes(), &password), exchanges.next()) {
            (Ok(token), Some(next)) => {
                let form = &next["request"]["form"];
                let grant = Grant::new(token.to_grant(), Scopes::parse(&["s"]).unwrap(), None);
                assert_eq!(form["grant_type"], grant.grant_type(), "{name}");
                assert_eq!(form["assertion"], token.assertion().expose(), "{name}");
                assert_eq!(
                    token.version() == SamlVersion::V2_0,
                    name.contains("saml2") || name.contains("confidential")
                );
                tokens += 1;
            }
            (Err(error), None) => {
                let expected = match name.as_str() {
                    "ropc__federated__wstrust_fault" => {
                        matches!(&error, Error::Fault(f) if f.is_failed_authentication())
                    }
                    "ropc__federated__wstrust_not_xml" => matches!(error, Error::Throttled { status: 503, .. }),
                    _ => matches!(error, Error::BadResponse { what: What::WsTrust, at: "TokenType" }),
                };
                assert!(expected, "{name}: {error:?}");
                failures += 1;
            }
            (got, _) => panic!("{name}: {got:?}"),
        }
    }
    assert_eq!((envelopes, tokens, failures), (10, 7, 8));
}
