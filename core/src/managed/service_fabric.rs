//! Service Fabric: an endpoint of the cluster whose certificate is pinned (sections 4.14.3 to 4.14.6 of the reference).

use alloc::string::String;
use alloc::vec::Vec;

use super::answer::{Answer, Asked, bad, endpoint, header_value, unusable};
use crate::base64::hex_decode;
use crate::error::Error;
use crate::http::{Request, ServerTrust};
use crate::json::{Members, Value};
use crate::secret::Secret;

/// Which identity it is, is configured on the cluster: no parameter selects one.
pub(super) fn request(asked: &Asked<'_>) -> Result<(Request, Secret), Error> {
    const HTTPS: &str = "IDENTITY_ENDPOINT of Service Fabric must be an https address";
    let address = endpoint(asked.environment.identity_endpoint.as_deref(), HTTPS)?;
    if !address.is_https() {
        return Err(unusable(HTTPS));
    }
    let thumbprint = pin(asked.environment.identity_server_thumbprint.as_deref().unwrap_or_default())?;
    let secret = header_value(
        asked.environment.identity_header.as_ref(),
        "IDENTITY_HEADER has characters that no header can have",
    )?;
    let mut parameters = Vec::from([("api-version", "2019-07-01-preview"), ("resource", asked.resource)]);
    parameters.extend(asked.refused_sha256.map(|hash| ("token_sha256_to_refresh", hash)));
    let capabilities = asked.settings.client_capabilities.join(",");
    if !capabilities.is_empty() {
        parameters.push(("xms_cc", &capabilities));
    }
    let mut request = asked.get(&address, &parameters)?.header("Secret", secret.clone());
    request.server = ServerTrust::Thumbprint(thumbprint);
    Ok((request, secret))
}

/// SHA-1 of the server's certificate, as people copy it: with spaces, line ends and colons.
fn pin(text: &str) -> Result<[u8; 20], Error> {
    let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '\t' | '\r' | '\n' | ':')).collect();
    hex_decode(&digits).ok_or_else(|| unusable("IDENTITY_SERVER_THUMBPRINT must be 40 hexadecimal digits"))
}

pub(super) fn read(answer: &Answer<'_>) -> Result<Members, Error> {
    let payload = answer.payload()?;
    if let Some(token) = answer.token(&payload, "expires_on")? {
        // It always says which kind of token it is.
        return if payload.contains("token_type") { Ok(token) } else { Err(bad("token_type")) };
    }
    let code = match payload.get("error") {
        Some(Value::Object(error)) => error.get("code").and_then(Value::as_str),
        _ => None,
    };
    let error = match code {
        Some("SecretHeaderNotFound") => "unauthorized_client",
        Some("ManagedIdentityNotFound") => "invalid_client",
        Some("ArgumentNullOrEmpty") => "invalid_scope",
        Some(_) => "invalid_request",
        // To the reference whatever is no token is one of its errors.
        None if answer.lenient && !payload.contains("error") => "invalid_request",
        None => return Err(answer.neither()),
    };
    Err(answer.refused(error, answer.quoted()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbprints() {
        // Section 4.14.6 of the reference.
        let digits = "00112233445566778899AABBCCDDEEFF00112233";
        let expected = hex_decode(digits).unwrap();
        let colons: String =
            digits.as_bytes().chunks(2).map(|c| alloc::format!("{}{}:", c[0] as char, c[1] as char)).collect();
        for good in [
            digits,
            &digits.to_lowercase(),
            &colons,
            &alloc::format!("\t{digits}\r\n"),
            " 0011 2233445566778899AABBCCDDEEFF00112233",
        ] {
            assert_eq!(pin(good).ok(), Some(expected), "{good:?}");
        }
        for bad in [
            "",
            "001122",
            &digits[1..],
            &alloc::format!("{digits}00"),
            &digits.replace('0', "g"),
            &alloc::format!("\u{b}{digits}"),
        ] {
            assert!(pin(bad).is_err(), "{bad:?}");
        }
    }
}
