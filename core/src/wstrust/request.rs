//! The request for a SAML token: a SOAP 1.2 envelope with the user's name and password (WS-Trust 1.3 s3.1, WS-Security 1.0).

use alloc::string::{String, ToString};

use super::{ADDRESSING, POLICY, SECURITY, SOAP, TrustEndpoint, UTILITY};
use crate::error::{Config, Error};
use crate::http::{Body, Request};
use crate::limits::MAX_XML;
use crate::secret::{Secret, SecretBytes};
use crate::time::{Millis, UnixTime};

/// Seconds that a request counts at the federation server.
const LIFETIME: u64 = 600;
const CONTENT_TYPE: &str = "application/soap+xml; charset=utf-8";

/// `RequestSecurityToken`: who asks for a token, and whom it is for.
#[derive(Clone, Copy, Debug)]
pub struct RequestSecurityToken<'a> {
    /// Where it goes, and in which words.
    pub endpoint: &'a TrustEndpoint,
    /// `AppliesTo`: whom the token is for.
    pub audience: &'a str,
    /// Who asks.
    pub username: &'a str,
    /// The user's password.
    pub password: &'a Secret,
}

impl RequestSecurityToken<'_> {
    /// The request as it is sent at `now`; `message_id` is a fresh UUID.
    ///
    /// # Errors
    /// [`Config::UserCredential`] when the name or the password has characters that no XML document can hold (XML 1.0 s2.2).
    pub fn to_request(&self, message_id: &str, now: UnixTime, attempt_timeout: Millis) -> Result<Request, Error> {
        let body = Body { content_type: CONTENT_TYPE, bytes: self.envelope(message_id, now)? };
        let request = Request::post(self.endpoint.address.clone(), body, MAX_XML, attempt_timeout);
        Ok(request.header("SOAPAction", self.endpoint.version.action()))
    }

    fn envelope(&self, message_id: &str, now: UnixTime) -> Result<SecretBytes, Error> {
        if ![self.username, self.password.expose()].iter().all(|text| text.chars().all(is_xml)) {
            return Err(Config::UserCredential("it has control characters").into());
        }
        let (created, expires) = (date_time(now), date_time(now.after(LIFETIME)));
        let address = self.endpoint.address.to_string();
        let version = self.endpoint.version;
        // Trusted texts and texts to escape, in turn.
        let parts = [
            ("<s:Envelope xmlns:s='", SOAP),
            ("' xmlns:wsa='", ADDRESSING),
            ("' xmlns:wsu='", UTILITY),
            ("'><s:Header><wsa:Action s:mustUnderstand='1'>", version.action()),
            ("</wsa:Action><wsa:MessageID>urn:uuid:", message_id),
            ("</wsa:MessageID><wsa:ReplyTo><wsa:Address>", ADDRESSING),
            ("/anonymous</wsa:Address></wsa:ReplyTo><wsa:To s:mustUnderstand='1'>", &address),
            ("</wsa:To><wsse:Security s:mustUnderstand='1' xmlns:wsse='", SECURITY),
            ("'><wsu:Timestamp wsu:Id='_0'><wsu:Created>", &created),
            ("</wsu:Created><wsu:Expires>", &expires),
            (
                "</wsu:Expires></wsu:Timestamp><wsse:UsernameToken wsu:Id='ADALUsernameToken'><wsse:Username>",
                self.username,
            ),
            ("</wsse:Username><wsse:Password>", self.password.expose()),
            (
                "</wsse:Password></wsse:UsernameToken></wsse:Security></s:Header><s:Body><wst:RequestSecurityToken xmlns:wst='",
                version.namespace(),
            ),
            ("'><wsp:AppliesTo xmlns:wsp='", POLICY),
            ("'><wsa:EndpointReference><wsa:Address>", self.audience),
            ("</wsa:Address></wsa:EndpointReference></wsp:AppliesTo><wst:KeyType>", version.key_type()),
            ("</wst:KeyType><wst:RequestType>", version.request_type()),
            ("</wst:RequestType></wst:RequestSecurityToken></s:Body></s:Envelope>", ""),
        ];
        let length = |(markup, text): &(&str, &str)| markup.len().saturating_add(escaped_length(text));
        // Reserved once: a text that grows leaves copies of the password behind.
        let mut out = String::with_capacity(parts.iter().map(length).fold(0, usize::saturating_add));
        for (markup, text) in parts {
            out.push_str(markup);
            push_escaped(&mut out, text);
        }
        Ok(SecretBytes::new(out.into_bytes()))
    }
}

/// `Char` of XML 1.0 s2.2.
const fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// The five characters of XML 1.0 s4.6, and the one that readers turn into a line feed (s2.11).
const fn escape(c: char) -> Option<&'static str> {
    match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        '\'' => Some("&apos;"),
        '\r' => Some("&#13;"),
        _ => None,
    }
}

fn escaped_length(text: &str) -> usize {
    text.chars().map(|c| escape(c).map_or(c.len_utf8(), str::len)).fold(0, usize::saturating_add)
}

fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match escape(c) {
            Some(reference) => out.push_str(reference),
            None => out.push(c),
        }
    }
}

/// `xsd:dateTime` in UTC and whole seconds, `2023-11-14T22:13:20Z`; dates after 9999 stay at its end.
fn date_time(time: UnixTime) -> String {
    const DAY: u64 = 86_400;
    const LAST: u64 = 253_402_300_799;
    let seconds = time.0.min(LAST);
    let (mut days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let is_leap = |year: u64| (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let mut year = 1970_u64;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        match days.checked_sub(length) {
            Some(rest) => (days, year) = (rest, year.saturating_add(1)),
            None => break,
        }
    }
    let mut month = 1_u8;
    for length in [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        match days.checked_sub(length) {
            Some(rest) => (days, month) = (rest, month.saturating_add(1)),
            None => break,
        }
    }
    let day = days.saturating_add(1);
    let (hour, minute) = (second.div_euclid(3600), second.div_euclid(60).rem_euclid(60));
    alloc::format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", second.rem_euclid(60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Endpoint;
    use crate::wstrust::Version;
    use alloc::format;

    fn request(username: &str, password: &str, audience: &str) -> Result<Request, Error> {
        let address = Endpoint::parse("https://fs.example/trust?a=1&b=2").unwrap();
        let endpoint = TrustEndpoint { address, version: Version::V13 };
        let password = Secret::from(password);
        let token = RequestSecurityToken { endpoint: &endpoint, audience, username, password: &password };
        token.to_request("00000000-0000-4000-8000-000000000000", UnixTime(1_700_000_000), Millis(1))
    }

    /// Whatever is put in comes out of another parser: nobody's text becomes markup (G-39).
    #[test]
    fn everything_is_escaped() {
        let texts = [
            "ada@contoso.com",
            "p&w<\"'>+ \u{e9}",
            "</wsse:Password><evil/>",
            "<![CDATA[x]]>",
            "&amp;&#65;",
            "]]>",
            " two  spaces ",
            "tab\tline\nreturn\r\nend",
            "\u{1f511}\u{fffd}\u{85}",
        ];
        for text in texts {
            let request = request(text, text, text).unwrap();
            let body = request.body.unwrap();
            let document = crate::xml::parse(body.bytes.expose()).unwrap();
            let values = |name: &str| -> alloc::vec::Vec<String> {
                let named = document.descendants().filter(|node| node.tag_name().name() == name);
                named.map(|node| node.text().unwrap_or_default().into()).collect()
            };
            assert_eq!((values("Username"), values("Password")), ([text.into()].into(), [text.into()].into()));
            assert_eq!(values("Address"), ["http://www.w3.org/2005/08/addressing/anonymous", text]);
            assert_eq!(values("To"), ["https://fs.example/trust?a=1&b=2"]);
            assert_eq!(body.content_type, "application/soap+xml; charset=utf-8");
        }
        for text in ["a\0", "\u{1b}", "\u{ffff}", "\u{b}"] {
            for (name, password) in [(text, "p"), ("u", text)] {
                let error = request(name, password, "a").unwrap_err();
                assert!(matches!(error, Error::Config(Config::UserCredential(_))), "{text:?}: {error:?}");
            }
        }
    }

    #[test]
    fn the_password_is_written_once_and_not_shown() {
        let request = request("ada", "planted-password<&>", "a").unwrap();
        assert!(!format!("{request:?}").contains("planted"));
        let body = request.body.unwrap();
        assert!(!format!("{body:?}").contains("planted"));
    }

    /// Section B of the reference.
    #[test]
    fn escapes() {
        let mut out = String::new();
        push_escaped(&mut out, "<>&\"'");
        assert_eq!((out.as_str(), escaped_length("<>&\"'")), ("&lt;&gt;&amp;&quot;&apos;", out.len()));
    }

    /// By GNU date.
    #[test]
    fn dates() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(date_time(UnixTime(seconds)), expected);
        }
    }
}
