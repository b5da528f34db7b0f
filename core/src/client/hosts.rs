//! Which hosts a request may leave for (decision 7): what metadata names is not trusted by itself.

use super::{Authority, AuthorityKind, HostPolicy, Settings, aliases};
use crate::endpoint::Endpoint;

/// Whether an endpoint that a server named may be used by this application.
///
/// Allowed are the authority's own host, names below it (`{region}.`, tenant sub-domains), every host of its cloud and
/// names below those, and what the application lists itself. Ports other than the authority's own are allowed
/// only together with the host that has them.
pub fn allows(authority: &Authority, settings: &Settings, endpoint: &Endpoint) -> bool {
    if settings.hosts == HostPolicy::Any {
        return true;
    }
    if !endpoint.is_https() {
        return false;
    }
    let (host, own) = (endpoint.host(), authority.host());
    let below = |parent: &str| {
        host.strip_suffix(parent).and_then(|rest| rest.strip_suffix('.')).is_some_and(|label| !label.is_empty())
    };
    let same_port = endpoint.port_or_default() == authority.endpoint().port_or_default();
    let in_cloud = authority.kind() != AuthorityKind::Oidc
        && endpoint.port_or_default() == 443
        && aliases(own).iter().any(|alias| host == *alias || below(alias));
    let own_names = own.contains('.') && !authority.endpoint().is_local() && below(own);
    (same_port && (host == own || own_names)) || in_cloud || is_listed(settings, endpoint)
}

/// Whether a user's password may go to this endpoint of a federation server: over https only, and only when the
/// application allows federation or lists the host.
pub fn allows_federation(settings: &Settings, endpoint: &Endpoint) -> bool {
    endpoint.is_https() && (settings.allow_federation || is_listed(settings, endpoint))
}

fn is_listed(settings: &Settings, endpoint: &Endpoint) -> bool {
    settings.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(endpoint.host()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decision_7() {
        let entra = Authority::parse("https://login.microsoftonline.com/t").unwrap();
        let oidc = Authority::oidc("https://idp.example:8443/lab").unwrap();
        let bare = Authority::oidc("https://intranet/realm").unwrap();
        let cases: &[(&Authority, &str, bool)] = &[
            (&entra, "https://login.microsoftonline.com/t/token", true),
            (&entra, "https://login.microsoft.com/t/token", true),
            (&entra, "https://westus2.login.microsoft.com/t/token", true),
            (&entra, "https://login.microsoftonline.com:8443/t/token", false),
            (&entra, "https://login.microsoftonline.us/t/token", false),
            (&entra, "https://login.microsoftonline.com.evil.example/token", false),
            (&entra, "https://evillogin.microsoftonline.com/token", false),
            (&entra, "http://127.0.0.1/token", false),
            (&oidc, "https://idp.example:8443/token", true),
            (&oidc, "https://eu.idp.example:8443/token", true),
            (&oidc, "https://idp.example/token", false),
            (&oidc, "https://other.example:8443/token", false),
            (&oidc, "https://example:8443/token", false),
            (&oidc, "https://tokens.allowed.example/token", true),
            // Whoever signs in at a bare name does not trust everybody who has it as a top-level domain.
            (&bare, "https://intranet/token", true),
            (&bare, "https://evil.intranet/token", false),
        ];
        let settings = Settings { allowed_hosts: alloc::vec!["tokens.allowed.example".into()], ..Settings::default() };
        for (authority, address, expected) in cases {
            let endpoint = Endpoint::parse(address).unwrap();
            assert_eq!(allows(authority, &settings, &endpoint), *expected, "{address}");
        }
    }

    #[test]
    fn federation() {
        let cases: &[(&str, bool, bool)] = &[
            ("https://fs.contoso.com/mex", false, true),
            ("https://fs.listed.example/mex", true, true),
            ("https://fs.listed.example.evil/mex", false, true),
            // Not even on this machine: what goes there is a password.
            ("http://localhost/mex", false, false),
        ];
        let mut settings = Settings { allowed_hosts: alloc::vec!["FS.listed.example".into()], ..Settings::default() };
        for (address, by_default, allowed) in cases {
            let endpoint = Endpoint::parse(address).unwrap();
            settings.allow_federation = false;
            assert_eq!(allows_federation(&settings, &endpoint), *by_default, "{address}");
            settings.allow_federation = true;
            assert_eq!(allows_federation(&settings, &endpoint), *allowed, "{address}");
        }
    }
}
