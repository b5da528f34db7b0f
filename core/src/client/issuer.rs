//! Whether the issuer in a provider's metadata may speak for the authority (OpenID Connect Discovery s4.3; section 2.7 of the reference).

use super::clouds::{TENANT_DOMAINS, is_well_known};
use super::{Authority, HostPolicy, Settings};
use crate::text;

/// Whether metadata that names `issuer` may be used for an explicit OIDC `authority`.
///
/// Strictly it would have to be the authority itself. Another one on its host, a region of that, and the tenant behind a custom domain
/// are taken too, as the reference does; but whoever runs the authority cannot name an issuer of Microsoft's clouds, whose users would be
/// taken for theirs, unless the authority is there itself or the application allows that host.
pub fn is_valid(issuer: &str, authority: &Authority, settings: &Settings) -> bool {
    let configured = authority.as_str();
    if issuer.is_empty() {
        return false;
    }
    if text::trim_end(issuer, b'/') == text::trim_end(configured, b'/') {
        return true;
    }
    let Some((origin, host)) = host_of(issuer) else { return false };
    let host = host.to_ascii_lowercase();
    let is_near = origin == authority.endpoint().origin()
        || text::cut(&host, b'.').is_some_and(|(label, rest)| !label.is_empty() && rest == authority.host())
        || is_of_tenant(&host);
    match settings.hosts {
        HostPolicy::Any => is_near || is_of_cloud(&host),
        HostPolicy::Authority => {
            let own = authority.host();
            let is_https = origin.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
            let is_allowed = || settings.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(&host));
            let is_microsoft = || is_of_cloud(own) || is_of_tenant(own);
            is_https && (is_near || is_allowed() || (is_of_cloud(&host) && is_microsoft()))
        }
    }
}

/// A host of Microsoft's clouds, or one label below it: a region.
fn is_of_cloud(host: &str) -> bool {
    is_well_known(host) || text::cut(host, b'.').is_some_and(|(label, rest)| !label.is_empty() && is_well_known(rest))
}

/// A B2C or CIAM tenant.
fn is_of_tenant(host: &str) -> bool {
    TENANT_DOMAINS.iter().any(|parent| host.ends_with(parent) && host.len() > parent.len())
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
        let web = Authority::oidc("https://someweb.com/tenant").unwrap();
        let cloud = Authority::oidc("https://login.windows.net/tenant/v2.0").unwrap();
        // The issuer; whether it is valid for the reference; and by default, for an authority outside of Microsoft's clouds.
        let cases = [
            ("https://someweb.com/tenant", true, true),
            ("https://someweb.com/tenant/", true, true),
            ("https://someweb.com/other", true, true),
            ("https://us.someweb.com/tenant", true, true),
            ("http://us.someweb.com/tenant", true, false),
            ("https://a.us.someweb.com/tenant", false, false),
            ("http://someweb.com/tenant", false, false),
            ("https://login.microsoftonline.com/t/v2.0", true, false),
            ("https://LOGIN.microsoftonline.com/t", true, false),
            ("http://login.microsoftonline.com/t", true, false),
            ("https://westus2.login.microsoft.com/t", true, false),
            ("https://region.login.partner.microsoftonline.cn/t", true, false),
            ("https://west.us2.login.microsoft.com/t", false, false),
            ("https://region.untrusted.example/t", false, false),
            ("https://tenant.b2clogin.com/t", true, true),
            ("https://tenant.ciamlogin.com/t", true, true),
            ("http://tenant.ciamlogin.com/t", true, false),
            ("https://b2clogin.com/t", false, false),
            ("https://fakeb2clogin.com/t", false, false),
            ("https://t.b2clogin.com.evil.example/t", false, false),
            ("https://login.microsoftonline.com@evil.example/t", false, false),
            ("https://", false, false),
            ("someweb.com/tenant", false, false),
            ("", false, false),
        ];
        let (reference, ours) = (Settings::reference(), Settings::default());
        for (issuer, to_reference, by_default) in cases {
            assert_eq!(is_valid(issuer, &web, &reference), to_reference, "{issuer:?}");
            assert_eq!(is_valid(issuer, &web, &ours), by_default, "{issuer:?}");
            // Within the clouds only the scheme makes a difference.
            let in_cloud = is_valid(issuer, &cloud, &reference) && issuer.starts_with("https://");
            assert_eq!(is_valid(issuer, &cloud, &ours), in_cloud, "{issuer:?}");
        }
        let allowed =
            Settings { allowed_hosts: alloc::vec!["login.microsoftonline.com".into()], ..Settings::default() };
        assert!(is_valid("https://login.microsoftonline.com/t/v2.0", &web, &allowed));
        assert!(!is_valid("https://login.microsoftonline.us/t/v2.0", &web, &allowed));
    }
}
