//! Whether the issuer in a provider's metadata may speak for the authority (OpenID Connect Discovery s4.3; section 2.7 of the reference).

use super::Authority;
use super::clouds::{TENANT_DOMAINS, is_well_known};
use crate::text;

/// Whether metadata that names `issuer` may be used for an explicit OIDC `authority`.
pub fn is_valid(issuer: &str, authority: &Authority) -> bool {
    let configured = authority.as_str();
    if issuer.is_empty() {
        return false;
    }
    if text::trim_end(issuer, b'/') == text::trim_end(configured, b'/') {
        return true;
    }
    let Some((origin, host)) = host_of(issuer) else { return false };
    let host = host.to_ascii_lowercase();
    let below_one_label = text::cut(&host, b'.')
        .is_some_and(|(label, rest)| !label.is_empty() && (is_well_known(rest) || rest == authority.host()));
    is_well_known(&host)
        || below_one_label
        || origin == authority.endpoint().origin()
        || TENANT_DOMAINS.iter().any(|parent| host.ends_with(parent) && host.len() > parent.len())
}

/// Scheme to port, and the host alone. `None` where there is no host.
fn host_of(issuer: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text::split_once(issuer, "://")?;
    let end = rest.bytes().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let authority = rest.get(..end)?;
    let origin = issuer.get(..scheme.len().checked_add(3)?.checked_add(authority.len())?)?;
    let after_user = text::parts(authority, b'@').last()?;
    let host = match text::cut_last(after_user, b':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => after_user,
    };
    (!host.is_empty()).then_some((origin, host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn section_2_7() {
        let authority = Authority::oidc("https://someweb.com/tenant").unwrap();
        let cases = [
            ("https://someweb.com/tenant", true),
            ("https://someweb.com/tenant/", true),
            ("https://someweb.com/other", true),
            ("https://us.someweb.com/tenant", true),
            ("https://a.us.someweb.com/tenant", false),
            ("http://someweb.com/tenant", false),
            ("https://login.microsoftonline.com/t/v2.0", true),
            ("https://LOGIN.microsoftonline.com/t", true),
            ("http://login.microsoftonline.com/t", true),
            ("https://westus2.login.microsoft.com/t", true),
            ("https://region.login.partner.microsoftonline.cn/t", true),
            ("https://west.us2.login.microsoft.com/t", false),
            ("https://region.untrusted.example/t", false),
            ("https://tenant.b2clogin.com/t", true),
            ("https://tenant.ciamlogin.com/t", true),
            ("https://b2clogin.com/t", false),
            ("https://fakeb2clogin.com/t", false),
            ("https://t.b2clogin.com.evil.example/t", false),
            ("https://login.microsoftonline.com@evil.example/t", false),
            ("https://", false),
            ("someweb.com/tenant", false),
            ("", false),
        ];
        for (issuer, expected) in cases {
            assert_eq!(is_valid(issuer, &authority), expected, "{issuer:?}");
        }
    }
}
