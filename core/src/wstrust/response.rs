//! The answer of a federation server: a SAML token, kept byte for byte since it is signed, or a SOAP fault (WS-Trust 1.3 s3.2 and s11).

use alloc::boxed::Box;
use roxmltree::{Document, Node};

use super::{SOAP, Version};
use crate::base64;
use crate::error::{Error, Fault, What};
use crate::grant::{GrantKind, SamlVersion};
use crate::secret::Secret;
use crate::xml::{self, XmlError, children, descend, raw_inner, text};

/// A SAML token, as secret as a password while it lives.
#[derive(Clone, Debug)]
pub struct SamlToken {
    version: SamlVersion,
    xml: Secret,
}

impl SamlToken {
    /// Reads an answer. `sent` is the password, should the server's words hold it.
    ///
    /// # Errors
    /// [`Error::Fault`] when the server says no: it does so with HTTP 500, which is no reason to try again.
    /// [`Error::Throttled`] for 429, 503 and other 5xx without a fault; [`Error::BadResponse`] for everything else.
    pub fn read(status: u16, retry_after: Option<u64>, body: &[u8], sent: &Secret) -> Result<Self, Error> {
        let bad = |at| Error::BadResponse { what: What::WsTrust, at };
        let throttled = Error::Throttled { status, retry_after, refusal: None };
        if status == 429 || status == 503 {
            return Err(throttled);
        }
        let document = match xml::parse(body) {
            Ok(document) => document,
            Err(XmlError::Malformed) if status >= 500 => return Err(throttled),
            Err(why) => return Err(bad(why.rule())),
        };
        let soap_body = Some(document.root_element())
            .filter(|root| root.has_tag_name((SOAP, "Envelope")))
            .and_then(|envelope| descend(envelope, &[(SOAP, "Body")]));
        let Some(soap_body) = soap_body else {
            return Err(if status >= 500 { throttled } else { bad("it is no SOAP message") });
        };
        if let Some(fault) = descend(soap_body, &[(SOAP, "Fault")]) {
            return Err(Error::Fault(Box::new(read_fault(status, fault, sent))));
        }
        match status {
            200..300 => Self::issued(&document, soap_body).map_err(bad),
            500.. => Err(throttled),
            _ => Err(bad("its HTTP status")),
        }
    }

    /// The first `RequestSecurityTokenResponse` with a type and a token, on its own or in a collection.
    fn issued(document: &Document<'_>, body: Node<'_, '_>) -> Result<Self, &'static str> {
        let mut token_seen = false;
        for version in Version::ALL {
            let namespace = version.namespace();
            let collected = children(body, namespace, "RequestSecurityTokenResponseCollection")
                .flat_map(|collection| children(collection, namespace, "RequestSecurityTokenResponse"));
            for response in children(body, namespace, "RequestSecurityTokenResponse").chain(collected) {
                let Some(token) = descend(response, &[(namespace, "RequestedSecurityToken")]) else { continue };
                token_seen = true;
                let Some(token_type) = descend(response, &[(namespace, "TokenType")]) else { continue };
                let version = version_of(text(token_type)).ok_or("TokenType")?;
                let raw = raw_inner(document, token);
                // On its way to the token endpoint it leaves this document and the namespaces declared around it.
                return match xml::parse(raw.as_bytes()) {
                    Ok(_) => Ok(Self { version, xml: Secret::from(raw) }),
                    Err(_) => Err("RequestedSecurityToken"),
                };
            }
        }
        Err(if token_seen { "TokenType" } else { "RequestedSecurityToken" })
    }

    /// The version of SAML.
    pub fn version(&self) -> SamlVersion {
        self.version
    }

    /// The token as it was received.
    pub fn xml(&self) -> &Secret {
        &self.xml
    }

    /// The token as the `assertion` parameter has it: base64url without padding (RFC 7522 s2.1).
    pub fn assertion(&self) -> Secret {
        Secret::new(base64::url_encode(self.xml.expose().as_bytes()))
    }

    /// The grant that the token endpoint takes it in.
    pub fn to_grant(&self) -> GrantKind {
        GrantKind::Saml { version: self.version, assertion: self.assertion() }
    }
}

/// The version that a `TokenType` names.
fn version_of(token_type: &str) -> Option<SamlVersion> {
    match token_type {
        "urn:oasis:names:tc:SAML:1.0:assertion"
        | "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV1.1" => Some(SamlVersion::V1_1),
        "urn:oasis:names:tc:SAML:2.0:assertion"
        | "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV2.0" => Some(SamlVersion::V2_0),
        _ => None,
    }
}

/// SOAP 1.2 s5.4; a fault that misses a member is a fault all the same (G-39).
fn read_fault(status: u16, fault: Node<'_, '_>, sent: &Secret) -> Fault {
    let code = descend(fault, &[(SOAP, "Code"), (SOAP, "Subcode"), (SOAP, "Value")])
        .or_else(|| descend(fault, &[(SOAP, "Code"), (SOAP, "Value")]))
        .map(text)
        .unwrap_or_default();
    let reason = descend(fault, &[(SOAP, "Reason"), (SOAP, "Text")]).map(text).unwrap_or_default();
    Fault::new(status, code.rsplit(':').next().unwrap_or_default(), reason, sent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    const TOKEN: &str = "<saml:Assertion ID='planted-token' xmlns:saml='urn:s'>\r\n&#233; &amp;</saml:Assertion>";
    const SAML1: &str = "urn:oasis:names:tc:SAML:1.0:assertion";

    fn soap(body: &str) -> String {
        format!("<s:Envelope xmlns:s='{SOAP}' xmlns:out='urn:out'><s:Body>{body}</s:Body></s:Envelope>")
    }

    fn response(prefix: &str, token_type: &str, token: &str) -> String {
        format!(
            "<{prefix}:RequestSecurityTokenResponse xmlns:{prefix}='{}'>{token_type}<{prefix}:RequestedSecurityToken>{token}</{prefix}:RequestedSecurityToken></{prefix}:RequestSecurityTokenResponse>",
            Version::V13.namespace()
        )
    }

    fn typed(name: &str) -> String {
        format!("<t:TokenType> {name} </t:TokenType>")
    }

    fn collection(inside: &str) -> String {
        let name = "RequestSecurityTokenResponseCollection";
        format!("<c:{name} xmlns:c='{}'>{inside}</c:{name}>", Version::V13.namespace())
    }

    fn read(status: u16, body: &str) -> Result<SamlToken, Error> {
        SamlToken::read(status, Some(7), body.as_bytes(), &Secret::from("planted-password"))
    }

    #[test]
    fn tokens() {
        const PROFILE: &str = "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV";
        let of_type = |name: &str| response("t", &typed(name), TOKEN);
        let half = response("t", "", TOKEN);
        let no_token =
            response("t", &typed(SAML1), "").replace("<t:RequestedSecurityToken></t:RequestedSecurityToken>", "");
        let cases: &[(String, Result<SamlVersion, &str>)] = &[
            (of_type(SAML1), Ok(SamlVersion::V1_1)),
            (of_type("urn:oasis:names:tc:SAML:2.0:assertion"), Ok(SamlVersion::V2_0)),
            (of_type(&format!("{PROFILE}1.1")), Ok(SamlVersion::V1_1)),
            (of_type(&format!("{PROFILE}2.0")), Ok(SamlVersion::V2_0)),
            (of_type("urn:other:token"), Err("TokenType")),
            (collection(&of_type(SAML1)), Ok(SamlVersion::V1_1)),
            // The first that has both.
            (collection(&format!("{half}{no_token}{}", of_type(SAML1))), Ok(SamlVersion::V1_1)),
            (half, Err("TokenType")),
            (no_token, Err("RequestedSecurityToken")),
            (collection(""), Err("RequestedSecurityToken")),
            (String::new(), Err("RequestedSecurityToken")),
            // Not where an answer has it.
            (format!("<x>{}</x>", of_type(SAML1)), Err("RequestedSecurityToken")),
            (of_type(SAML1).replace("ws-trust/200512", "ws-trust/other"), Err("RequestedSecurityToken")),
            // Outside of its document nobody could read it.
            (response("t", &typed(SAML1), "<out:Assertion/>"), Err("RequestedSecurityToken")),
            (response("t", &typed(SAML1), "text"), Err("RequestedSecurityToken")),
            (response("t", &typed(SAML1), ""), Err("RequestedSecurityToken")),
        ];
        for (body, expected) in cases {
            match (read(200, &soap(body)), expected) {
                (Ok(token), Ok(version)) => {
                    assert_eq!((token.version(), token.xml().expose()), (*version, TOKEN), "{body}");
                    assert_eq!(base64::url_decode(token.assertion().expose()).unwrap(), TOKEN.as_bytes());
                    assert!(!format!("{token:?}").contains("planted"));
                }
                (Err(Error::BadResponse { what: What::WsTrust, at }), Err(place)) => assert_eq!(at, *place, "{body}"),
                (got, _) => panic!("{body}: {got:?}"),
            }
        }
    }

    #[test]
    fn faults() {
        let code = "<s:Code><s:Value>s:Sender</s:Value>SUB</s:Code>";
        let sub_code = "<s:Subcode><s:Value> a:FailedAuthentication </s:Value></s:Subcode>";
        let full = code.replace("SUB", sub_code);
        let reason = "<s:Reason><s:Text xml:lang='en'>ID3242: no planted-password</s:Text></s:Reason>";
        let words = "ID3242: no [hidden]";
        let cases: &[(String, &str, &str)] = &[
            (format!("{full}{reason}"), "FailedAuthentication", words),
            // G-39: what is missing is missing.
            (full.clone(), "FailedAuthentication", ""),
            (reason.into(), "", words),
            (format!("{}{reason}", code.replace("SUB", "")), "Sender", words),
            (String::new(), "", ""),
        ];
        for (inside, code, reason) in cases {
            for status in [200, 400, 500, 502] {
                let Err(Error::Fault(fault)) = read(status, &soap(&format!("<s:Fault>{inside}</s:Fault>"))) else {
                    panic!("{inside}")
                };
                assert_eq!((fault.status(), fault.code(), fault.reason()), (status, *code, *reason));
                assert_eq!(fault.is_failed_authentication(), *code == "FailedAuthentication");
            }
            // Too busy, whatever the words are.
            for status in [429, 503] {
                let error = read(status, &soap(&format!("<s:Fault>{inside}</s:Fault>"))).unwrap_err();
                assert!(matches!(error, Error::Throttled { retry_after: Some(7), .. }), "{error:?}");
            }
        }
    }

    #[test]
    fn other_answers() {
        let good = soap(&response("t", &typed(SAML1), TOKEN));
        let cases: &[(u16, &str, Option<&str>)] = &[
            (200, "", Some("it is not XML")),
            (200, "<html><br></html>", Some("it is not XML")),
            (200, "<html/>", Some("it is no SOAP message")),
            (200, "<!DOCTYPE html><html/>", Some("it has a document type definition")),
            (302, "", Some("it is not XML")),
            (302, &good, Some("its HTTP status")),
            (401, "<html/>", Some("it is no SOAP message")),
            (404, &good, Some("its HTTP status")),
            (0, &good, Some("its HTTP status")),
            (500, &good, None),
            (500, "Internal", None),
            (500, "<html/>", None),
            (503, "Service Unavailable", None),
            (503, &good, None),
            (429, "", None),
        ];
        for (status, body, place) in cases {
            match (read(*status, body).unwrap_err(), place) {
                (Error::BadResponse { what: What::WsTrust, at }, Some(place)) => {
                    assert_eq!(at, *place, "{status} {body}")
                }
                (Error::Throttled { status: got, retry_after: Some(7), refusal: None }, None) => {
                    assert_eq!(got, *status)
                }
                (error, _) => panic!("{status} {body}: {error:?}"),
            }
        }
    }
}
