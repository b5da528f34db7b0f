//! A simulated federation server (AD FS): describes itself (MEX), takes names and passwords (WS-Trust 1.3 and 2005), hands out assertions.
//!
//! It checks what a real one checks, and says no with SOAP faults and HTTP 500 as a real one does.

use std::fmt;

use roxmltree::{Document, Node};
use serde_json::{Value, json};

use crate::message::{Request, Response};
use crate::saml::SamlVersion;

const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
const POLICY: &str = "http://schemas.xmlsoap.org/ws/2004/09/policy";
const UTILITY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const SECURITY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const XML: &str = "application/soap+xml; charset=utf-8";
const AUDIENCE: &str = "urn:federation:MicrosoftOnline";

/// A version of WS-Trust that the server speaks.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustVersion {
    /// WS-Trust 1.3.
    V13,
    /// WS-Trust of February 2005.
    V2005,
}

impl TrustVersion {
    fn path(self) -> &'static str {
        match self {
            Self::V13 => "/adfs/services/trust/13/usernamemixed",
            Self::V2005 => "/adfs/services/trust/2005/usernamemixed",
        }
    }

    fn namespace(self) -> &'static str {
        match self {
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512",
            Self::V2005 => "http://schemas.xmlsoap.org/ws/2005/02/trust",
        }
    }

    fn key_type(self) -> &'static str {
        match self {
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Bearer",
            Self::V2005 => "http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey",
        }
    }

    /// The namespace of WS-SecurityPolicy and the assertion in which it asks for a user name.
    fn policy(self) -> (&'static str, &'static str) {
        match self {
            Self::V13 => {
                ("http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702", "SignedEncryptedSupportingTokens")
            }
            Self::V2005 => ("http://schemas.xmlsoap.org/ws/2005/07/securitypolicy", "SignedSupportingTokens"),
        }
    }
}

/// The federation server of one domain. `Debug` shows no password.
#[derive(Clone)]
pub struct Federation {
    domain: String,
    host: Option<String>,
    versions: Vec<TrustVersion>,
    users: Vec<(String, String)>,
    token_type: String,
}

impl Federation {
    /// For the users of `domain`, under the host that is asked, speaking both versions.
    pub fn new(domain: &str) -> Self {
        Self {
            domain: domain.to_owned(),
            host: None,
            versions: vec![TrustVersion::V2005, TrustVersion::V13],
            users: Vec::new(),
            token_type: "urn:oasis:names:tc:SAML:1.0:assertion".to_owned(),
        }
    }

    /// One more user (user principal name) with a password.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.users.push((name.to_owned(), password.to_owned()));
        self
    }

    /// Speaks these versions only, described in this order.
    #[must_use]
    pub fn versions(mut self, versions: &[TrustVersion]) -> Self {
        self.versions = versions.to_vec();
        self
    }

    /// Says this about its tokens. Default: SAML 1.1.
    #[must_use]
    pub fn token_type(mut self, token_type: &str) -> Self {
        token_type.clone_into(&mut self.token_type);
        self
    }

    /// Lies at this host (with the port, where there is one), which your HTTP client has to send here.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    fn at<'a>(&'a self, asked: &'a str) -> &'a str {
        self.host.as_deref().unwrap_or(asked)
    }

    /// What the identity platform answers at `/common/userrealm/{name}?api-version=1.0` of the host `asked`: federated for
    /// the names of this domain, nothing for others.
    pub fn realm(&self, name: &str, asked: &str) -> Option<Value> {
        let (_, domain) = name.rsplit_once('@')?;
        let at = |path: &str| format!("https://{}{path}", self.at(asked));
        domain.eq_ignore_ascii_case(&self.domain).then(|| {
            json!({
                "ver": "1.0",
                "account_type": "Federated",
                "domain_name": self.domain,
                "federation_protocol": "WSTrust",
                "federation_metadata_url": at("/adfs/services/trust/mex"),
                "federation_active_auth_url": at(TrustVersion::V2005.path()),
                "cloud_instance_name": "microsoftonline.com",
                "cloud_audience_urn": AUDIENCE,
            })
        })
    }

    /// Which SAML its tokens are.
    pub(crate) fn saml(&self) -> SamlVersion {
        if self.token_type.contains("2.0") { SamlVersion::V2 } else { SamlVersion::V1 }
    }

    /// Answers a request. `assertion` makes the token for a user that signed in; without one the server fails.
    pub fn answer(&self, request: &Request, assertion: impl FnOnce(&str) -> Option<String>) -> Response {
        let version = self.versions.iter().find(|version| version.path() == request.path());
        match (request.method.as_str(), request.path(), version) {
            ("GET", "/adfs/services/trust/mex", _) => Response::text(200, XML, &self.mex(self.at(&request.host))),
            ("POST", _, Some(version)) => {
                self.issue(request, *version, assertion).unwrap_or_else(|fault| fault.response())
            }
            _ => Response::text(404, "text/html", "<html><body>404 - File or directory not found.</body></html>"),
        }
    }

    fn issue(
        &self,
        request: &Request,
        version: TrustVersion,
        assertion: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Response, Fault> {
        let text = std::str::from_utf8(&request.body).map_err(|_| Fault::malformed("not UTF-8"))?;
        let document = Document::parse(text).map_err(|_| Fault::malformed("not XML"))?;
        let user = self.check(request, version, document.root_element())?;
        let token = assertion(user).ok_or(Fault { code: "RequestFailed", reason: "MSIS3127: The request failed." })?;
        let (namespace, token_type) = (version.namespace(), &self.token_type);
        let answer = format!(
            "<s:Envelope xmlns:s=\"{SOAP}\" xmlns:a=\"{ADDRESSING}\"><s:Header><a:Action s:mustUnderstand=\"1\">{namespace}/RSTRC/IssueFinal</a:Action></s:Header><s:Body><trust:RequestSecurityTokenResponseCollection xmlns:trust=\"{namespace}\"><trust:RequestSecurityTokenResponse><trust:RequestedSecurityToken>{token}</trust:RequestedSecurityToken><trust:TokenType>{token_type}</trust:TokenType><trust:RequestType>{namespace}/Issue</trust:RequestType><trust:KeyType>{}</trust:KeyType></trust:RequestSecurityTokenResponse></trust:RequestSecurityTokenResponseCollection></s:Body></s:Envelope>",
            version.key_type()
        );
        Ok(Response::text(200, XML, &answer))
    }

    /// Who asks, when everything about the request is right.
    fn check<'a>(&'a self, request: &Request, version: TrustVersion, root: Node<'_, '_>) -> Result<&'a str, Fault> {
        let trust = version.namespace();
        let action = format!("{trust}/RST/Issue");
        let address = format!("https://{}{}", self.at(&request.host), version.path());
        if request.header("content-type").is_none_or(|kind| !kind.eq_ignore_ascii_case(XML)) {
            return Err(Fault::malformed("the content type"));
        }
        if request.header("soapaction") != Some(&action) || !root.has_tag_name((SOAP, "Envelope")) {
            return Err(Fault::malformed("the action"));
        }
        let header = only(root, SOAP, "Header")?;
        for (name, expected) in [("Action", &action), ("To", &address)] {
            let node = only(header, ADDRESSING, name)?;
            if text(node) != expected || node.attribute((SOAP, "mustUnderstand")) != Some("1") {
                return Err(Fault::malformed("an address"));
            }
        }
        let id = text(only(header, ADDRESSING, "MessageID")?);
        if id.strip_prefix("urn:uuid:").is_none_or(|id| id.len() != 36) {
            return Err(Fault::malformed("the message id"));
        }
        let security = only(header, SECURITY, "Security")?;
        let stamp = only(security, UTILITY, "Timestamp")?;
        let date = |name| seconds(text(only(stamp, UTILITY, name)?)).ok_or(Fault::malformed("a date"));
        let (created, expires) = (date("Created")?, date("Expires")?);
        if created > request.now.saturating_add(300) || expires <= request.now || expires <= created {
            return Err(Fault { code: "InvalidTimeRange", reason: "MSIS3109: The time range is not valid." });
        }
        let asked = only(only(root, SOAP, "Body")?, trust, "RequestSecurityToken")?;
        let applies = only(only(asked, POLICY, "AppliesTo")?, ADDRESSING, "EndpointReference")?;
        let wanted = [
            (only(applies, ADDRESSING, "Address")?, AUDIENCE.to_owned()),
            (only(asked, trust, "KeyType")?, version.key_type().to_owned()),
            (only(asked, trust, "RequestType")?, format!("{trust}/Issue")),
        ];
        if wanted.iter().any(|(node, expected)| text(*node) != expected) {
            return Err(Fault { code: "InvalidScope", reason: "MSIS3020: The relying party trust was not found." });
        }
        let token = only(security, SECURITY, "UsernameToken")?;
        let (name, password) = (text(only(token, SECURITY, "Username")?), text(only(token, SECURITY, "Password")?));
        let known = self.users.iter().find(|(own, secret)| own.eq_ignore_ascii_case(name) && secret == password);
        known.map(|(own, _)| own.as_str()).ok_or(Fault {
            code: "FailedAuthentication",
            reason: "ID3242: The security token could not be authenticated or authorized.",
        })
    }

    fn mex(&self, host: &str) -> String {
        let (mut policies, mut bindings, mut ports) = (String::new(), String::new(), String::new());
        // Without SOAP 1.2, and not for passwords: clients have to pass it over.
        bindings.push_str("<wsdl:binding name=\"CertificateTransport\" type=\"tns:ITrust\"><wsp:PolicyReference URI=\"#C\"/></wsdl:binding>");
        for (number, version) in self.versions.iter().enumerate() {
            let (security, tokens) = version.policy();
            let (action, address) = (version.namespace(), format!("https://{host}{}", version.path()));
            policies.push_str(&format!(
                "<wsp:Policy wsu:Id=\"P{number}\"><wsp:ExactlyOne><wsp:All><sp:TransportBinding xmlns:sp=\"{security}\"><wsp:Policy/></sp:TransportBinding><sp:{tokens} xmlns:sp=\"{security}\"><wsp:Policy><sp:UsernameToken><wsp:Policy><sp:WssUsernameToken10/></wsp:Policy></sp:UsernameToken></wsp:Policy></sp:{tokens}></wsp:All></wsp:ExactlyOne></wsp:Policy>"
            ));
            bindings.push_str(&format!(
                "<wsdl:binding name=\"B{number}\" type=\"tns:ITrust\"><wsp:PolicyReference URI=\"#P{number}\"/><soap12:binding transport=\"http://schemas.xmlsoap.org/soap/http\"/><wsdl:operation name=\"Trust\"><soap12:operation soapAction=\"{action}/RST/Issue\" style=\"document\"/></wsdl:operation></wsdl:binding>"
            ));
            ports.push_str(&format!(
                "<wsdl:port name=\"p{number}\" binding=\"tns:B{number}\"><soap12:address location=\"{address}\"/><wsa10:EndpointReference><wsa10:Address>{address}</wsa10:Address></wsa10:EndpointReference></wsdl:port>"
            ));
        }
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><wsdl:definitions name=\"SecurityTokenService\" xmlns:wsdl=\"http://schemas.xmlsoap.org/wsdl/\" xmlns:wsp=\"{POLICY}\" xmlns:wsu=\"{UTILITY}\" xmlns:soap12=\"http://schemas.xmlsoap.org/wsdl/soap12/\" xmlns:wsa10=\"{ADDRESSING}\" xmlns:tns=\"http://schemas.microsoft.com/ws/2008/06/identity/securitytokenservice\">{policies}{bindings}<wsdl:service name=\"SecurityTokenService\">{ports}</wsdl:service></wsdl:definitions>"
        )
    }
}

impl fmt::Debug for Federation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Federation").field("domain", &self.domain).field("host", &self.host).finish_non_exhaustive()
    }
}

/// What is wrong with a request (WS-Trust 1.3 s11).
struct Fault {
    code: &'static str,
    reason: &'static str,
}

impl Fault {
    fn malformed(reason: &'static str) -> Self {
        Self { code: "InvalidRequest", reason }
    }

    fn response(&self) -> Response {
        let (code, reason) = (self.code, self.reason);
        let body = format!(
            "<s:Envelope xmlns:s=\"{SOAP}\" xmlns:a=\"http://docs.oasis-open.org/ws-sx/ws-trust/200512\"><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>a:{code}</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang=\"en-US\">{reason}</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>"
        );
        Response::text(500, XML, &body)
    }
}

/// The one element of that name directly inside of this one.
fn only<'a, 'i>(node: Node<'a, 'i>, namespace: &str, name: &str) -> Result<Node<'a, 'i>, Fault> {
    let mut named = node.children().filter(|child| child.has_tag_name((namespace, name)));
    match (named.next(), named.next()) {
        (Some(found), None) => Ok(found),
        _ => Err(Fault::malformed("an element is missing, or there twice")),
    }
}

fn text<'a>(node: Node<'a, '_>) -> &'a str {
    node.text().unwrap_or_default()
}

/// Seconds since 1970 of `2023-11-14T22:13:20Z` (`xsd:dateTime`), by the days that each year and month before it had.
fn seconds(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, by: char| text.split(by).map(|part| part.parse().ok()).collect::<Option<Vec<u64>>>();
    let (date, time) = (numbers(date, '-')?, numbers(time, ':')?);
    let (&[year @ 1970..=9999, month @ 1..=12, day @ 1..=31], &[hour @ 0..=23, minute @ 0..=59, second @ 0..=59]) =
        (date.as_slice(), time.as_slice())
    else {
        return None;
    };
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let years: u64 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months: u64 = lengths.iter().take(usize::try_from(month).ok()?.checked_sub(1)?).sum();
    let days = years.checked_add(months)?.checked_add(day)?.checked_sub(1)?;
    let minutes = days.checked_mul(24)?.checked_add(hour)?.checked_mul(60)?.checked_add(minute)?;
    minutes.checked_mul(60)?.checked_add(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let cases = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T00:00:00Z", Some(951_782_400)),
            ("2023-11-14T22:13:20Z", Some(1_700_000_000)),
            ("2024-12-31T23:59:59Z", Some(1_735_689_599)),
            ("2024-13-01T00:00:00Z", None),
            ("2024-12-31T23:59:59", None),
            ("2024-12-31 23:59:59Z", None),
        ];
        for (text, expected) in cases {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn realms() {
        let federation = Federation::new("contoso.com").host("fs.contoso.com:8443").user("ada@contoso.com", "planted");
        assert!(federation.realm("ada@other.com", "h").is_none() && federation.realm("ada", "h").is_none());
        let realm = federation.realm("bob@CONTOSO.com", "h").unwrap_or_default();
        let url = realm.get("federation_metadata_url").and_then(Value::as_str);
        assert_eq!(url, Some("https://fs.contoso.com:8443/adfs/services/trust/mex"));
        assert!(!format!("{federation:?}").contains("planted"));
    }

    const NOW: u64 = 1_700_000_000;

    /// An envelope as a client writes it, with these parts in it.
    fn envelope(version: TrustVersion, created: &str, password: &str) -> String {
        let (trust, address) = (version.namespace(), format!("https://fs.contoso.com{}", version.path()));
        format!(
            "<s:Envelope xmlns:s='{SOAP}' xmlns:a='{ADDRESSING}' xmlns:u='{UTILITY}'><s:Header><a:Action s:mustUnderstand='1'>{trust}/RST/Issue</a:Action><a:MessageID>urn:uuid:00001111-aaaa-4222-bbbb-3333cccc4444</a:MessageID><a:To s:mustUnderstand='1'>{address}</a:To><o:Security s:mustUnderstand='1' xmlns:o='{SECURITY}'><u:Timestamp u:Id='_0'><u:Created>{created}</u:Created><u:Expires>2023-11-14T22:23:20Z</u:Expires></u:Timestamp><o:UsernameToken><o:Username>ada@contoso.com</o:Username><o:Password>{password}</o:Password></o:UsernameToken></o:Security></s:Header><s:Body><t:RequestSecurityToken xmlns:t='{trust}'><p:AppliesTo xmlns:p='{POLICY}'><a:EndpointReference><a:Address>{AUDIENCE}</a:Address></a:EndpointReference></p:AppliesTo><t:KeyType>{}</t:KeyType><t:RequestType>{trust}/Issue</t:RequestType></t:RequestSecurityToken></s:Body></s:Envelope>",
            version.key_type()
        )
    }

    fn answer(version: TrustVersion, body: &str, now: u64) -> (u16, String) {
        let federation = Federation::new("contoso.com").user("ada@contoso.com", "p&w");
        let request = Request {
            method: "POST".to_owned(),
            headers: vec![
                ("content-type".to_owned(), XML.to_owned()),
                ("SOAPAction".to_owned(), format!("{}/RST/Issue", version.namespace())),
            ],
            body: body.as_bytes().to_vec(),
            ..Request::get("fs.contoso.com", version.path(), now)
        };
        let response = federation.answer(&request, |user| Some(format!("<A>{user}</A>")));
        (response.status, String::from_utf8_lossy(&response.body).into_owned())
    }

    /// What is checked is checked: the right request with one part altered.
    #[test]
    fn requests() {
        const CREATED: &str = "2023-11-14T22:13:20Z";
        for version in [TrustVersion::V13, TrustVersion::V2005] {
            let right = envelope(version, CREATED, "p&amp;w");
            let (status, body) = answer(version, &right, NOW);
            assert!(status == 200 && body.contains("<A>ada@contoso.com</A>"), "{body}");
            let cases = [
                ("p&amp;w", "p&amp;W", "FailedAuthentication"),
                ("ada@", "eve@", "FailedAuthentication"),
                ("p&amp;w", "p&w", "InvalidRequest"),
                ("/RST/Issue</a", "/RST/Other</a", "InvalidRequest"),
                ("https://fs.contoso.com", "https://fs.other.com", "InvalidRequest"),
                ("<a:To s:mustUnderstand='1'>", "<a:To>", "InvalidRequest"),
                ("urn:uuid:0000", "urn:uuid:", "InvalidRequest"),
                ("<u:Created>2023", "<u:Created>2024", "InvalidTimeRange"),
                ("<u:Created>2023-11", "<u:Created>soon", "InvalidRequest"),
                ("MicrosoftOnline", "other", "InvalidScope"),
                ("/Issue</t:", "/Cancel</t:", "InvalidScope"),
                ("t:KeyType>", "t:Kind>", "InvalidRequest"),
                ("</s:Header>", "</s:Header><s:Header/>", "InvalidRequest"),
            ];
            for (from, to, code) in cases {
                assert!(right.contains(from), "{from}");
                let (status, body) = answer(version, &right.replace(from, to), NOW);
                assert!(status == 500 && body.contains(code), "{from} {to}: {body}");
            }
            let (status, body) = answer(version, &right, NOW.saturating_add(600));
            assert!(status == 500 && body.contains("InvalidTimeRange"), "{body}");
        }
        let other = envelope(TrustVersion::V13, CREATED, "p&amp;w");
        assert_eq!(answer(TrustVersion::V2005, &other, NOW).0, 500);
    }
}
