//! Whatever reads bytes from outside: it never panics, stays in its bounds, and means what it says.

use core::str;

use crate::endpoint::Endpoint;
use crate::http::challenge::Challenge;
use crate::http::form as form_encoding;
use crate::json;
use crate::limits::{MAX_CHALLENGE, MAX_FORM_FIELDS, MAX_URL};
use crate::metadata::{Instance, ProviderMetadata, alias_groups, realm_of};

/// Whatever the strict type accepts, the WHATWG URL standard reads the same (decision 10).
pub fn endpoint(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(endpoint) = Endpoint::parse(text) else { return };
    assert!(text.len() <= MAX_URL);
    let shown = alloc::format!("{endpoint}");
    assert_eq!(Endpoint::parse(&shown).as_ref(), Ok(&endpoint), "what is shown is read the same");
    // Punycode labels are decoded by the standard, and broken ones refused; the strict type passes them on.
    if endpoint.host().contains("xn--") {
        return;
    }
    #[cfg(feature = "url")]
    {
        let Ok(url) = url::Url::parse(text) else { panic!("url refuses {text:?}") };
        assert_eq!(url.scheme() == "https", endpoint.is_https());
        assert_eq!(url.host_str(), Some(endpoint.host()));
        assert_eq!(url.port_or_known_default(), Some(endpoint.port_or_default()));
        assert_eq!(url.path(), endpoint.path());
        assert_eq!(url.query(), endpoint.query());
        assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
    }
}

/// Challenges are bounded in number and size, and no header makes the reader fail.
pub fn www_authenticate(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let challenges = Challenge::parse_all(text);
    assert!(challenges.len() <= 16);
    for challenge in &challenges {
        assert!(!challenge.scheme.is_empty() && challenge.scheme.len() <= MAX_CHALLENGE);
        assert!(challenge.is(&challenge.scheme));
    }
}

/// What is read from a form can be written and read again.
pub fn form(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Some(fields) = form_encoding::decode(text) else { return };
    assert!(fields.len() <= MAX_FORM_FIELDS);
    let written = form_encoding::encode(fields.iter().map(|(name, value)| (name.as_str(), value.expose())));
    let again = form_encoding::decode(written.expose()).unwrap_or_default();
    assert!(fields.iter().map(|(n, v)| (n, v.expose())).eq(again.iter().map(|(n, v)| (n, v.expose()))));
}

/// Endpoints in metadata are endpoints; the tenant is a part of the token endpoint.
pub fn metadata(data: &[u8]) {
    if let Ok(metadata) = ProviderMetadata::parse(data) {
        assert_eq!(metadata.realm, realm_of(&metadata.token_endpoint));
        assert!(!metadata.realm.contains('/'));
    }
    let _ = Instance::parse(data);
    if let Ok(groups) = alias_groups(data) {
        assert!(groups.iter().flatten().all(|host| !host.bytes().any(|b| b.is_ascii_uppercase())));
    }
}

/// The reader for devices says the same as `serde_json`, and what it writes is read the same by both.
pub fn json(data: &[u8]) {
    let same = |own: &json::tree::Value, other: &json::Value| {
        let written = alloc::format!("{own}");
        assert_eq!(json::whole(written.as_bytes(), false).as_ref(), Ok(own));
        assert_eq!(serde_json::from_str::<json::Value>(&written).as_ref().ok(), Some(other));
    };
    match (json::check_depth(data).and_then(|()| json::whole(data, false)), json::parse(data, data.len())) {
        (Ok(own), Ok(other)) => same(&own, &other),
        (own, other) => assert_eq!(own.err(), other.err()),
    }
    match (json::whole(data, true), json::parse_distinct(data, data.len())) {
        (Ok(own), Ok(other)) => same(&own, &json::Value::Object(other.as_map().clone())),
        (Ok(own), Err(why)) => assert!(!own.is_object() && why == json::JsonError::NotAnObject),
        (own, other) => assert_eq!(own.err(), other.err()),
    }
}
