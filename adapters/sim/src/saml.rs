//! SAML assertions (RFC 7522 s3 at the token endpoint) that the platform's own federation signs. Small: no XML signature, a signature over the text before it.

use base64ct::{Base64UrlUnpadded, Encoding};

use crate::page::{escape, unescape};
use crate::platform::Platform;
use crate::refusal::Refusal;

/// Which SAML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SamlVersion {
    /// SAML 1.1.
    V1,
    /// SAML 2.0.
    V2,
}

const END: &str = "</sim:SignatureValue></Assertion>";
const VALUE: &str = "<sim:SignatureValue xmlns:sim=\"urn:sansal-sim\">";

impl Platform {
    /// An assertion about this user (name or object id) as a federation endpoint hands it out, for ten minutes; nothing
    /// for a user that is not known.
    pub fn saml_assertion(&self, user: &str, version: SamlVersion, now: u64) -> Option<String> {
        let (number, namespace) = match version {
            SamlVersion::V1 => ("1", "urn:oasis:names:tc:SAML:1.0:assertion"),
            SamlVersion::V2 => ("2", "urn:oasis:names:tc:SAML:2.0:assertion"),
        };
        let name = escape(&self.desk.user(user).ok()?.upn);
        let end = now.saturating_add(600);
        let text = format!(
            "<Assertion xmlns=\"{namespace}\" sim=\"{number}\"><Subject><NameID>{name}</NameID></Subject>\
             <Conditions NotOnOrAfter=\"{end}\"/>"
        );
        let signature = Base64UrlUnpadded::encode_string(&self.keys.signature(text.as_bytes())?);
        Some(format!("{text}{VALUE}{signature}{END}"))
    }

    /// The user (object id) of an assertion: base64url of what [`saml_assertion`](Self::saml_assertion) made.
    pub(crate) fn check_saml(&self, given: &str, second: bool, now: u64) -> Result<String, Refusal> {
        let bad = || Refusal::assertion(50_008, "The SAML token is invalid.");
        let text = Base64UrlUnpadded::decode_vec(given).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.ok_or_else(bad)?;
        let (signed, signature) = text.strip_suffix(END).and_then(|text| text.split_once(VALUE)).ok_or_else(bad)?;
        let signature = Base64UrlUnpadded::decode_vec(signature).map_err(|_| bad())?;
        let version = if second { " sim=\"2\"" } else { " sim=\"1\"" };
        if !self.keys.made(signed.as_bytes(), &signature) || !signed.contains(version) {
            return Err(bad());
        }
        let between = |from: &str, to: &str| signed.split_once(from)?.1.split_once(to).map(|(text, _)| text);
        let end = between("NotOnOrAfter=\"", "\"").and_then(|text| text.parse::<u64>().ok()).ok_or_else(bad)?;
        if end <= now {
            return Err(Refusal::assertion(500_089, "The SAML token is expired."));
        }
        let name = between("<NameID>", "</NameID>").map(unescape).ok_or_else(bad)?;
        Ok(self.desk.user(&name)?.object_id.clone())
    }
}
