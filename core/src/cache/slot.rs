//! Where an entry lies: the keys of MSAL's unified schema, and the extended key that sets access tokens of
//! special requests apart.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use super::entry::{Entry, Kind};
use crate::base64;

/// `credential_type` of an access token that works only together with a key.
pub(super) const WITH_AUTH_SCHEME: &str = "AccessToken_With_AuthScheme";

/// Members of a token request that do not set its access tokens apart: they are in the key otherwise, or they say
/// who asks and not for what.
const EXCLUDED: [&str; 22] = [
    "assertion",
    "claims",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_info",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "grant_type",
    "key_id",
    "password",
    "redirect_uri",
    "refresh_token",
    "req_cnf",
    "requested_token_use",
    "scope",
    "token_type",
    "user_federated_identity_credential",
    "user_id",
    "username",
];

/// The extended cache key of a token request: `None` when nothing sets its access tokens apart.
///
/// `data` is the request's form, and `client_claims`, which never goes on the wire. Values are hashed as they stand:
/// the same JSON in another spelling is another key. Identical to other MSALs.
///
/// ```
/// let key = sansal::cache::ext_cache_key([("scope", "x"), ("fmi_path", "a/b")].into_iter());
/// assert_eq!(key.as_deref(), Some("ov4rzjppsoorvfirec6knwpq_ewdthx-s92gexiklps"));
/// ```
pub fn ext_cache_key<'a>(data: impl Iterator<Item = (&'a str, &'a str)>) -> Option<String> {
    let mut members: Vec<_> =
        data.filter(|(name, value)| !value.is_empty() && EXCLUDED.binary_search(name).is_err()).collect();
    if members.is_empty() {
        return None;
    }
    // Byte order of UTF-8 is the order of code points.
    members.sort_unstable();
    let mut hash = Sha256::new();
    for (name, value) in members {
        hash.update(format!("{}:{name}{}:", name.len(), value.len()));
        hash.update(value);
    }
    Some(base64::url_encode(&hash.finalize()).to_ascii_lowercase())
}

/// The key under which an entry lies, computed from its members; missing ones leave their place empty.
pub(super) fn key(kind: Kind, entry: &Entry) -> String {
    let part = |name| entry.text(name).unwrap_or_default();
    let (mark, names): (&str, &[&str]) = match kind {
        Kind::AccessToken => (access_token_marker(entry), &["client_id", "realm", "target"]),
        Kind::RefreshToken => ("refreshtoken", &["client_id", "", "target"]),
        Kind::IdToken => ("idtoken", &["client_id", "realm", ""]),
        Kind::Account => ("", &["realm"]),
        // The one key that keeps its case.
        Kind::AppMetadata => return ["appmetadata", part("environment"), part("client_id")].join("-"),
    };
    let mut parts = Vec::with_capacity(9);
    parts.extend([part("home_account_id"), part("environment")]);
    if !mark.is_empty() {
        parts.push(mark);
    }
    parts.extend(names.iter().map(|name| if name.is_empty() { "" } else { part(name) }));
    if kind == Kind::AccessToken && mark != PLAIN {
        parts.push(part("ext_cache_key"));
        // G-12: tokens for different keys do not overwrite one another.
        if mark != EXTENDED {
            parts.extend([entry.token_type(), entry.key_id().unwrap_or_default()]);
        }
    }
    lower(parts.join("-"))
}

/// In lower case, as MSAL writes keys; without the index, for devices, letters beyond ASCII stay as they are.
pub(super) fn lower(mut key: String) -> String {
    if cfg!(feature = "index") && !key.is_ascii() {
        return key.to_lowercase();
    }
    key.make_ascii_lowercase();
    key
}

/// Marks of access tokens in their keys: plain ones, those of special requests, those bound to a key.
const PLAIN: &str = "accesstoken";
const EXTENDED: &str = "atext";
const BOUND: &str = "accesstoken_with_authscheme";

fn access_token_marker(entry: &Entry) -> &'static str {
    if entry.text("credential_type").is_some_and(|kind| kind.eq_ignore_ascii_case(WITH_AUTH_SCHEME)) {
        BOUND
    } else if entry.filled("ext_cache_key").is_some() {
        EXTENDED
    } else {
        PLAIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excluded_names_are_sorted() {
        assert!(EXCLUDED.is_sorted());
    }

    #[test]
    fn extended_keys() {
        // Appendix B of the reference.
        type Data<'a> = &'a [(&'a str, &'a str)];
        let cases: &[(Data<'_>, Option<&str>)] = &[
            (&[("fmi_path", "SomeFmiPath/FmiCredentialPath")], Some("cojvfy5tzae3njpkvcebguvvx5vvmnj8hphqrbogjoi")),
            (
                &[("scope", "s"), ("fmi_path", "a/b"), ("client_info", "1")],
                Some("ov4rzjppsoorvfirec6knwpq_ewdthx-s92gexiklps"),
            ),
            (&[("client_claims", "{\"a\":1}")], Some("xdmjlz0zwrstgjaehevog4ojgscbobntwudxxaie1ui")),
            (&[("key1", "value1"), ("key2", "value2")], Some("latlwkpewb_a0rcsmjvkecqt0_huumkw4sflzociike")),
            (&[("key2", "value2"), ("key1", "value1")], Some("latlwkpewb_a0rcsmjvkecqt0_huumkw4sflzociike")),
            (&[("key3", "value3"), ("key4", "value4")], Some("jjoe9jgfmdtnj0rzuetsqy7kzs2m1xfnjjxwsfxsrxq")),
            (
                &[("key3", "value3"), ("key4", "value4"), ("key5", "value5"), ("key6", "value6"), ("key7", "value7")],
                Some("prrdp31y37ufw3lo7hly0oimjjvg_34m9ji30ocu4tw"),
            ),
            (&[], None),
            (&[("scope", "s"), ("client_secret", "x"), ("fmi_path", "")], None),
        ];
        for (data, expected) in cases {
            assert_eq!(ext_cache_key(data.iter().copied()).as_deref(), *expected, "{data:?}");
        }
    }

    #[test]
    fn lengths_keep_members_apart() {
        let key = |data: &[(&str, &str)]| ext_cache_key(data.iter().copied());
        assert_ne!(key(&[("a", "b1:c1:d")]), key(&[("a", "b"), ("c", "d")]));
        assert_ne!(key(&[("ab", "c")]), key(&[("a", "bc")]));
    }

    #[test]
    fn keys() {
        // Section 5.2 and Appendix B of the reference.
        let base = r#""home_account_id":"uid.utid","environment":"login.example.com","client_id":"my_client_id","#;
        let rest = r#""realm":"contoso","target":"s1 s2 s3""#;
        let cases: &[(Kind, &str, &str, &str)] = &[
            (Kind::AccessToken, base, rest, "uid.utid-login.example.com-accesstoken-my_client_id-contoso-s1 s2 s3"),
            (Kind::RefreshToken, base, rest, "uid.utid-login.example.com-refreshtoken-my_client_id--s1 s2 s3"),
            (Kind::IdToken, base, rest, "uid.utid-login.example.com-idtoken-my_client_id-contoso-"),
            (Kind::Account, base, rest, "uid.utid-login.example.com-contoso"),
            (Kind::AppMetadata, base, rest, "appmetadata-login.example.com-my_client_id"),
            (
                Kind::RefreshToken,
                r#""home_account_id":"subject","environment":"fs.msidlab8.com","client_id":"my_client_id","#,
                rest,
                "subject-fs.msidlab8.com-refreshtoken-my_client_id--s1 s2 s3",
            ),
            (
                Kind::AccessToken,
                r#""home_account_id":null,"environment":"login.windows.net","client_id":"D3","#,
                r#""realm":"common","target":"r1/Scope1 r1/scope2","ext_cache_key":"latlw""#,
                "-login.windows.net-atext-d3-common-r1/scope1 r1/scope2-latlw",
            ),
            (
                Kind::AccessToken,
                r#""environment":"localhost","client_id":null,"#,
                r#""realm":"managed_identity","target":"https://r/""#,
                "-localhost-accesstoken--managed_identity-https://r/",
            ),
            (Kind::RefreshToken, base, r#""target":null"#, "uid.utid-login.example.com-refreshtoken-my_client_id--"),
            (Kind::AppMetadata, r#""client_id":"MiXed","#, r#""environment":"H""#, "appmetadata-H-MiXed"),
            (
                Kind::AccessToken,
                r#""home_account_id":"U","environment":"e","client_id":"c","token_type":"pop","key_id":"K","#,
                r#""realm":"r","target":"t","credential_type":"AccessToken_With_AuthScheme""#,
                "u-e-accesstoken_with_authscheme-c-r-t--pop-k",
            ),
            (
                Kind::AccessToken,
                r#""environment":"e","client_id":"c","token_type":"ssh-cert","key_id":"k1","#,
                r#""realm":"r","target":"t","credential_type":"AccessToken""#,
                "-e-accesstoken-c-r-t",
            ),
        ];
        for (kind, first, second, expected) in cases {
            let entry = Entry::from_json(format!("{{{first}{second}}}").as_bytes()).unwrap();
            assert_eq!(key(*kind, &entry), *expected);
        }
    }
}
