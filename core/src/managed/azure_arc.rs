//! Azure Arc: the agent wants to see that we may read its key files (sections 4.14.3 to 4.14.5 of the reference).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::answer::{Answer, Asked, endpoint, unusable};
use super::identity::{ManagedIdentity, Selector};
use crate::error::{Config, Error, What};
use crate::flow::Ask;
use crate::http::Request;
use crate::json::Members;
use crate::limits::MAX_ARC_KEY;
use crate::secret::Secret;

const ADDRESS: &str = "http://localhost:40342/metadata/identity/oauth2/token";
const NAMES: Selector = Selector { client_id: "client_id", object_id: "object_id", resource_id: "msi_res_id" };
/// Characters of a file name; the agent's have 40.
const MAX_NAME: usize = 128;

/// The first leg, and the second once there is a key.
pub(super) fn request(asked: &Asked<'_>, key: Option<&Secret>) -> Result<Request, Error> {
    let variables = asked.environment;
    let address = match (&variables.identity_endpoint, &variables.imds_endpoint) {
        (Some(address), Some(_)) => address,
        _ => ADDRESS,
    };
    let address =
        endpoint(Some(address), "IDENTITY_ENDPOINT must be https, or http at a loopback or link-local address")?;
    let mut parameters = Vec::from([("api-version", "2020-06-01"), ("resource", asked.resource)]);
    parameters.extend(asked.identity.selector(NAMES));
    let request = asked.get(&address, &parameters)?.header("Metadata", "true");
    Ok(match key {
        None => request,
        Some(key) => request.header("Authorization", Secret::new(format!("Basic {}", key.expose()))),
    })
}

/// The file that the agent's answer names. Only its base name counts: the folder is ours to know.
pub(super) fn challenge(answer: &Answer<'_>, token_dir: Option<&str>) -> Result<Ask, Error> {
    if answer.reply.status != 401 {
        let is_client_error = (400..500).contains(&answer.reply.status);
        return Err(match answer.lenient || is_client_error {
            true => answer.refused("invalid_request", answer.quoted()),
            false => answer.neither(),
        });
    }
    let header = answer.reply.challenge.as_deref().ok_or(bad_challenge("there is none"))?;
    let name = key_file(header, answer.lenient)?;
    let dir = token_dir.ok_or(Config::ArcPlatform)?;
    Ok(Ask::ReadFile { dir: dir.to_string(), name, max_len: MAX_ARC_KEY })
}

/// The name of the key file in a challenge `Basic realm=path`.
///
/// The reference wants exactly one `=` in it; otherwise quotes and further parameters are read as RFC 9110 s11 has them, but
/// that a backslash stands for itself, since it is part of paths on Windows.
pub(crate) fn key_file(header: &str, as_reference: bool) -> Result<String, Error> {
    let (scheme, realm) = header.split_once('=').ok_or(bad_challenge("it has no realm"))?;
    let path = match as_reference {
        true if realm.contains('=') => return Err(bad_challenge("it has more than one =")),
        true => realm,
        false => match realm.trim_start().strip_prefix('"') {
            Some(quoted) => quoted.split('"').next().unwrap_or_default(),
            None => realm.split(',').next().unwrap_or_default().trim(),
        },
    };
    let scheme = if as_reference { scheme } else { scheme.trim_end() };
    if !scheme.eq_ignore_ascii_case("basic realm") {
        return Err(bad_challenge("it is not Basic with a realm"));
    }
    let base = path.rsplit(['/', '\\']).next().unwrap_or_default();
    // The extension is what follows the last dot, unless there are but dots before it.
    let stem = match base.rsplit_once('.') {
        Some((stem, _)) if !stem.trim_start_matches('.').is_empty() => stem,
        _ => base,
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    if stem.trim_matches(['.', ' ']).is_empty() || stem.len() > MAX_NAME || !stem.chars().all(is_plain) {
        return Err(bad_challenge("its realm does not end in the name of a file"));
    }
    Ok(format!("{stem}.key"))
}

/// What is in the key file, as it goes into a header. The reference takes it as it stands.
pub(super) fn key(file: &[u8], as_reference: bool) -> Result<Secret, Error> {
    let text = core::str::from_utf8(file).ok();
    let text = text.map(|text| if as_reference { text } else { text.trim_ascii() });
    match text {
        // A key that is not there would be sent as one.
        Some("") if !as_reference => Err(unusable("the key file of Azure Arc is empty")),
        Some(text) if text.bytes().all(|b| (0x20..0x7F).contains(&b)) => Ok(Secret::from(text)),
        _ => Err(unusable("the key file of Azure Arc has characters that no header can have")),
    }
}

pub(super) fn read(answer: &Answer<'_>, identity: &ManagedIdentity) -> Result<Members, Error> {
    let payload = match answer.payload() {
        Ok(payload) => payload,
        Err(_) if answer.lenient => return Err(answer.refused("invalid_request", answer.quoted())),
        Err(why) => return Err(why),
    };
    let Some(token) = answer.token(&payload, "expires_in")? else {
        return Err(match answer.lenient || !answer.may_be_token() {
            true => answer.refused("invalid_request", answer.quoted()),
            false => answer.neither(),
        });
    };
    if confirms(&payload, identity) { Ok(token) } else { Err(unconfirmed()) }
}

/// Older agents know the system-assigned identity only and answer for it whatever is asked. Newer ones say for whom they answer.
fn confirms(payload: &Members, identity: &ManagedIdentity) -> bool {
    let is = |names: &[&str], id: &str| {
        names.iter().any(|name| payload.text(name).is_some_and(|says| says.eq_ignore_ascii_case(id)))
    };
    match identity {
        ManagedIdentity::SystemAssigned => true,
        ManagedIdentity::ClientId(id) => is(&["client_id"], id),
        ManagedIdentity::ObjectId(id) => is(&["object_id"], id),
        ManagedIdentity::ResourceId(id) => is(&["msi_res_id", "mi_res_id"], id),
    }
}

fn unconfirmed() -> Error {
    unusable(
        "the agent of Azure Arc did not confirm the user-assigned identity; update the agent or use the system-assigned one",
    )
}

const fn bad_challenge(at: &'static str) -> Error {
    Error::BadResponse { what: What::ArcChallenge, at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_files() {
        // Section 4.14.5 of the reference; header, as the reference reads it, as we read it.
        let dir = "/var/opt/azcmagent/tokens";
        let cases: &[(&str, Option<&str>, Option<&str>)] = &[
            ("Basic realm=/var/opt/azcmagent/tokens/abc.key", Some("abc.key"), Some("abc.key")),
            ("BASIC REALM=C:\\x\\abc.txt", Some("abc.key"), Some("abc.key")),
            ("Basic realm=abc", Some("abc.key"), Some("abc.key")),
            ("Basic realm=/x/a.b.key", Some("a.b.key"), Some("a.b.key")),
            ("Basic realm=/x/.key", Some(".key.key"), Some(".key.key")),
            ("Basic realm=/tokens/../../../etc/passwd", Some("passwd.key"), Some("passwd.key")),
            ("Basic realm=/tokens/..", None, None),
            ("Basic realm=/tokens/", None, None),
            ("Basic realm=", None, None),
            ("Basic realm=/x/a\u{0}.key", None, None),
            ("Basic realm=/x/a\n.key", None, None),
            ("Basic realm=C:\\x:stream", None, None),
            ("Basic realm=\"C:\\t\\abc.key\"", Some("abc.key"), Some("abc.key")), // G-36
            ("Basic realm=/x/abc.key, x=y", None, Some("abc.key")),               // G-36
            ("Basic realm = /x/abc.key", None, Some("abc.key")),
            ("Basic realm=\"/x/a=b.key\"", None, None),
            ("Bearer realm=x", None, None),
            ("Basic", None, None),
            ("", None, None),
        ];
        for (header, reference, ours) in cases {
            assert_eq!(key_file(header, true).ok().as_deref(), *reference, "{header:?}");
            assert_eq!(key_file(header, false).ok().as_deref(), *ours, "{header:?}");
        }
        let long = "a".repeat(MAX_NAME + 1);
        assert!(key_file(&format!("Basic realm={dir}/{long}.key"), false).is_err());
    }

    #[test]
    fn keys() {
        for (file, reference, ours) in [
            (&b"abc"[..], Some("abc"), Some("abc")),
            (b"abc\r\n", None, Some("abc")), // G-36
            (b" abc ", Some(" abc "), Some("abc")),
            (b"", Some(""), None),
            (b"a\r\nHost: evil", None, None),
            (b"\xFF", None, None),
        ] {
            assert_eq!(key(file, true).ok().as_ref().map(Secret::expose), reference, "{file:?}");
            assert_eq!(key(file, false).ok().as_ref().map(Secret::expose), ours, "{file:?}");
        }
    }

    #[test]
    fn confirmations() {
        let payload = |text: &str| crate::json::parse_object(text.as_bytes(), 1024).unwrap();
        let (client, object, resource) = (
            ManagedIdentity::ClientId("Ab".into()),
            ManagedIdentity::ObjectId("Ab".into()),
            ManagedIdentity::ResourceId("/Ab".into()),
        );
        for (identity, text, expected) in [
            (&ManagedIdentity::SystemAssigned, "{}", true),
            (&client, "{}", false),
            (&client, r#"{"client_id":"aB"}"#, true),
            (&client, r#"{"client_id":"other"}"#, false),
            (&client, r#"{"object_id":"Ab"}"#, false),
            (&client, r#"{"client_id":["Ab"]}"#, false),
            (&object, r#"{"object_id":"ab"}"#, true),
            (&resource, r#"{"msi_res_id":"/AB"}"#, true),
            (&resource, r#"{"mi_res_id":"/ab"}"#, true),
            (&resource, r#"{"mi_res_id":"/abc"}"#, false),
        ] {
            assert_eq!(confirms(&payload(text), identity), expected, "{identity} {text}");
        }
    }
}
