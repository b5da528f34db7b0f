//! Microsoft's clouds: hosts that need no instance discovery, and which of them are one and the same (section 2.1 of the reference).

/// Hosts of one cloud, which share tokens.
const CLOUDS: &[&[&str]] = if !cfg!(feature = "clouds") {
    &[]
} else {
    &[
        &["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
        &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
        &["login.microsoftonline.de"],
        &["login.microsoftonline.us", "login.usgovcloudapi.net"],
        &["login-us.microsoftonline.com"],
        &["login.sovcloud-identity.fr"],
        &["login.sovcloud-identity.de"],
        &["login.sovcloud-identity.sg"],
    ]
};

/// Parent domains of B2C and CIAM tenants.
pub(super) const TENANT_DOMAINS: &[&str] = if cfg!(feature = "clouds") {
    &[".b2clogin.com", ".b2clogin.cn", ".b2clogin.us", ".b2clogin.de", ".ciamlogin.com"]
} else {
    &[]
};

/// Whether Microsoft runs this host (lower case, no port).
pub fn is_well_known(host: &str) -> bool {
    CLOUDS.iter().any(|cloud| cloud.contains(&host))
}

/// All hosts of the cloud that `host` (lower case) belongs to, itself included; none if it is not Microsoft's.
pub fn aliases(host: &str) -> &'static [&'static str] {
    CLOUDS.iter().copied().find(|cloud| cloud.contains(&host)).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups() {
        assert!(aliases("sts.windows.net").contains(&"login.microsoftonline.com"));
        assert!(!aliases("login.microsoftonline.us").contains(&"login.microsoftonline.com"));
        assert!(aliases("login.example").is_empty());
        assert!(is_well_known("login.sovcloud-identity.sg") && !is_well_known("evil.login.microsoftonline.com"));
    }
}
