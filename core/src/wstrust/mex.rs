//! WS-MetadataExchange: a federation server describes itself in WSDL 1.1; here is found where it takes names and passwords.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use roxmltree::Node;

use super::{ADDRESSING, POLICY, TrustEndpoint, UTILITY, Version};
use crate::endpoint::Endpoint;
use crate::error::{Config, Error, What};
use crate::xml::{self, children, descend, text};

const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
const WSDL_SOAP12: &str = "http://schemas.xmlsoap.org/wsdl/soap12/";
/// SOAP over HTTP.
const HTTP: &str = "http://schemas.xmlsoap.org/soap/http";
/// WS-SecurityPolicy 1.2, and what came before it; each with the assertion by which a user name travels with a message.
const POLICIES: [(&str, &str); 2] = [
    ("http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702", "SignedEncryptedSupportingTokens"),
    ("http://schemas.xmlsoap.org/ws/2005/07/securitypolicy", "SignedSupportingTokens"),
];

/// The endpoint that takes a name and a password over TLS: the first of WS-Trust 1.3, else the first of 2005.
///
/// Bindings that lack a SOAP 1.2 part, and ports without an https address, are passed over (G-39).
///
/// # Errors
/// [`Error::BadResponse`] when the document is no XML within the limits, [`Config::NoFederationEndpoint`] when it offers nothing
/// of the kind.
pub fn choose(body: &[u8]) -> Result<TrustEndpoint, Error> {
    let document = xml::parse(body).map_err(|why| Error::BadResponse { what: What::Mex, at: why.rule() })?;
    let root = document.root_element();
    let policies: BTreeSet<String> = children(root, POLICY, "Policy").filter_map(user_name_policy).collect();
    let bindings: BTreeMap<&str, Version> =
        children(root, WSDL, "binding").filter_map(|node| binding(node, &policies)).collect();
    let ports = children(root, WSDL, "service").flat_map(|service| children(service, WSDL, "port"));
    let mut second = None;
    for endpoint in ports.filter_map(|node| port(node, &bindings)) {
        match endpoint.version {
            Version::V13 => return Ok(endpoint),
            Version::V2005 => second = second.or(Some(endpoint)),
        }
    }
    second.ok_or(Error::Config(Config::NoFederationEndpoint("no such port in its metadata")))
}

/// The reference to a policy that asks for a user name and a password inside of TLS.
fn user_name_policy(policy: Node<'_, '_>) -> Option<String> {
    let asks = POLICIES.iter().any(|(security, tokens)| {
        let path = [
            (POLICY, "ExactlyOne"),
            (POLICY, "All"),
            (*security, *tokens),
            (POLICY, "Policy"),
            (*security, "UsernameToken"),
            (POLICY, "Policy"),
            (*security, "WssUsernameToken10"),
        ];
        descend(policy, &path).is_some()
            && policy.descendants().any(|node| node.has_tag_name((*security, "TransportBinding")))
    });
    let id = policy.attribute((UTILITY, "Id")).filter(|_| asks)?;
    Some(format!("#{id}"))
}

/// The name of a binding of SOAP 1.2 over HTTP that has such a policy and a version of WS-Trust we speak.
fn binding<'a>(node: Node<'a, '_>, policies: &BTreeSet<String>) -> Option<(&'a str, Version)> {
    let policy = children(node, POLICY, "PolicyReference").filter_map(|reference| reference.attribute("URI")).last()?;
    let transport = descend(node, &[(WSDL_SOAP12, "binding")])?.attribute("transport")?;
    let operation = descend(node, &[(WSDL, "operation"), (WSDL_SOAP12, "operation")])?;
    let version = Version::of_action(operation.attribute("soapAction")?.trim())?;
    let good = policies.contains(policy) && transport == HTTP;
    Some((node.attribute("name").filter(|_| good)?, version))
}

/// The address of a port with such a binding.
fn port(node: Node<'_, '_>, bindings: &BTreeMap<&str, Version>) -> Option<TrustEndpoint> {
    let binding = node.attribute("binding")?;
    let version = *bindings.get(binding.rsplit(':').next().unwrap_or(binding))?;
    let address = descend(node, &[(ADDRESSING, "EndpointReference"), (ADDRESSING, "Address")])?;
    let address = Endpoint::parse(text(address)).ok().filter(Endpoint::is_https)?;
    Some(TrustEndpoint { address, version })
}

#[cfg(test)]
mod tests {
    use super::*;

    const V13: &str = Version::V13.action();
    const V2005: &str = Version::V2005.action();
    const GOOD: &str = "https://fs.example/13";

    fn policy(id: &str, which: usize) -> String {
        let (security, tokens) = POLICIES[which];
        format!(
            "<wsp:Policy wsu:Id='{id}' xmlns:sp='{security}'><wsp:ExactlyOne><wsp:All><sp:TransportBinding/><sp:{tokens}><wsp:Policy><sp:UsernameToken><wsp:Policy><sp:WssUsernameToken10/></wsp:Policy></sp:UsernameToken></wsp:Policy></sp:{tokens}></wsp:All></wsp:ExactlyOne></wsp:Policy>"
        )
    }

    fn binding(name: &str, policy: &str, transport: &str, action: &str) -> String {
        format!(
            "<w:binding name='{name}'><wsp:PolicyReference URI='{policy}'/><s:binding transport='{transport}'/><w:operation><s:operation soapAction='{action}'/></w:operation></w:binding>"
        )
    }

    fn port(binding: &str, address: &str) -> String {
        format!(
            "<w:service><w:port binding='{binding}'><a:EndpointReference><a:Address>{address}</a:Address></a:EndpointReference></w:port></w:service>"
        )
    }

    fn document(parts: &[String]) -> String {
        format!(
            "<w:definitions xmlns:w='{WSDL}' xmlns:wsp='{POLICY}' xmlns:wsu='{UTILITY}' xmlns:s='{WSDL_SOAP12}' xmlns:a='{ADDRESSING}'>{}</w:definitions>",
            parts.concat()
        )
    }

    /// Each row is a document and the address chosen from it; section 4.9 of the reference and G-39.
    #[test]
    fn choices() {
        let p13 = || policy("P", 0);
        let old = "https://fs.example/2005";
        let cases: &[(&str, &[String], Option<&str>)] = &[
            ("plain", &[p13(), binding("b", "#P", HTTP, V13), port("t:b", GOOD)], Some(GOOD)),
            ("no prefix", &[p13(), binding("b", "#P", HTTP, V13), port("b", GOOD)], Some(GOOD)),
            ("2005", &[policy("P", 1), binding("b", "#P", HTTP, V2005), port("b", old)], Some(old)),
            (
                "1.3 before 2005, whatever stands first",
                &[
                    p13(),
                    binding("o", "#P", HTTP, V2005),
                    binding("b", "#P", HTTP, V13),
                    port("o", old),
                    port("b", GOOD),
                ],
                Some(GOOD),
            ),
            (
                "the first of its version",
                &[p13(), binding("b", "#P", HTTP, V13), port("b", GOOD), port("b", "https://fs.example/other")],
                Some(GOOD),
            ),
            (
                "an unknown action is no choice, the next one is",
                &[
                    p13(),
                    binding("x", "#P", HTTP, "urn:x"),
                    binding("o", "#P", HTTP, V2005),
                    port("x", GOOD),
                    port("o", old),
                ],
                Some(old),
            ),
            (
                "G-39: bindings without SOAP 1.2 parts",
                &[
                    p13(),
                    "<w:binding name='soap11'><wsp:PolicyReference URI='#P'/></w:binding><w:binding/>".into(),
                    format!(
                        "<w:binding name='half'><wsp:PolicyReference URI='#P'/><s:binding transport='{HTTP}'/></w:binding>"
                    ),
                    binding("b", "#P", HTTP, V13),
                    port("soap11", "https://fs.example/no"),
                    port("half", "https://fs.example/no"),
                    port("b", GOOD),
                ],
                Some(GOOD),
            ),
            ("no policy", &[binding("b", "#P", HTTP, V13), port("b", GOOD)], None),
            ("another policy", &[p13(), binding("b", "#Q", HTTP, V13), port("b", GOOD)], None),
            (
                "the last reference counts",
                &[
                    p13(),
                    binding("b", "#Q'/><wsp:PolicyReference URI='#P", HTTP, V13),
                    binding("c", "#P'/><wsp:PolicyReference URI='#Q", HTTP, V13),
                    port("c", "https://fs.example/no"),
                    port("b", GOOD),
                ],
                Some(GOOD),
            ),
            ("another transport", &[p13(), binding("b", "#P", "http://other", V13), port("b", GOOD)], None),
            ("http", &[p13(), binding("b", "#P", HTTP, V13), port("b", "http://fs.example/13")], None),
            ("http on this machine", &[p13(), binding("b", "#P", HTTP, V13), port("b", "http://localhost/13")], None),
            (
                "HTTPS",
                &[p13(), binding("b", "#P", HTTP, V13), port("b", "\n HTTPS://fs.example/13 ")],
                Some("HTTPS://fs.example/13"),
            ),
            (
                "no address",
                &[p13(), binding("b", "#P", HTTP, V13), "<w:service><w:port binding='b'/></w:service>".into()],
                None,
            ),
            (
                "a policy without TLS",
                &[p13().replace("<sp:TransportBinding/>", ""), binding("b", "#P", HTTP, V13), port("b", GOOD)],
                None,
            ),
            (
                "a policy of the wrong namespace",
                &[p13().replace(POLICIES[0].0, "urn:x"), binding("b", "#P", HTTP, V13), port("b", GOOD)],
                None,
            ),
            (
                "a policy somewhere below",
                &[format!("<w:types>{}</w:types>", p13()), binding("b", "#P", HTTP, V13), port("b", GOOD)],
                None,
            ),
            ("nothing", &[], None),
        ];
        for (name, parts, expected) in cases {
            let got = choose(document(parts).as_bytes());
            match (got, expected) {
                (Ok(endpoint), Some(address)) => assert_eq!(alloc::format!("{}", endpoint.address), *address, "{name}"),
                (Err(Error::Config(Config::NoFederationEndpoint(_))), None) => {}
                (got, _) => panic!("{name}: {got:?}"),
            }
        }
        for body in ["", "<html><br></html>", "<!DOCTYPE a><a/>", "\u{0}"] {
            let error = choose(body.as_bytes()).unwrap_err();
            assert!(matches!(error, Error::BadResponse { what: What::Mex, .. }), "{body}: {error:?}");
        }
    }
}
