//! Azure regions: which one an application uses, as far as that is known without asking (section 3 of the reference).

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use super::Authority;
use super::clouds::aliases;
use crate::endpoint::Endpoint;
use crate::error::Config;

/// Whether requests for application tokens go to an endpoint of one Azure region.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Region {
    /// As `MSAL_FORCE_REGION` says, else none.
    #[default]
    Unset,
    /// This one.
    Named(RegionName),
    /// The one this machine is in: `REGION_NAME`, else the metadata service.
    Detect,
    /// None, whatever the environment says.
    Never,
}

impl fmt::Display for RegionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A region's name; [`Detect`](Self::Detect) and [`Never`](Self::Never) have none.
///
/// ```
/// # use sansal::client::Region;
/// let region: Region = "westus2".parse()?;
/// # assert!(matches!(region, Region::Named(name) if name.as_str() == "westus2"));
/// # Ok::<(), sansal::error::Config>(())
/// ```
impl FromStr for Region {
    type Err = Config;

    fn from_str(text: &str) -> Result<Self, Config> {
        RegionName::parse(text).map(Self::Named)
    }
}

/// The name of a region: a lower-case DNS label that begins with a letter, `westus2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionName(String);

impl RegionName {
    /// Reads a name; nothing is converted.
    ///
    /// # Errors
    /// [`Config::Region`] when it is not such a label.
    pub fn parse(text: &str) -> Result<Self, Config> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let good = text.len() <= 63
            && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
            && text.bytes().all(inner)
            && !text.ends_with('-');
        if good { Ok(Self(text.to_string())) } else { Err(Config::Region(text.chars().take(64).collect())) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where this region keeps the metadata of an authority (section 3.5 of the reference).
    ///
    /// # Errors
    /// [`Config::Authority`] when the address gets too long.
    pub fn metadata_endpoint(&self, authority: &Authority, realm: &str) -> Result<Endpoint, Config> {
        let host = match aliases(authority.host()).contains(&"login.microsoftonline.com") {
            true => "login.microsoft.com",
            false => authority.host(),
        };
        let port = authority.endpoint().port().map(|port| format!(":{port}")).unwrap_or_default();
        // The regional address is an authority of its own, and at ADFS those have no version.
        let version = if realm.eq_ignore_ascii_case("adfs") { "" } else { "/v2.0" };
        let address = format!("https://{}.{host}{port}/{realm}{version}/.well-known/openid-configuration", self.0);
        Endpoint::parse(&address).map_err(|why| Config::Authority(why.reason()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        // Appendix B of the reference
        let longest = format!("a{}9", "b".repeat(61));
        let too_long = "a".repeat(64);
        for good in ["eastus", "westus2", "east-us", "x", &longest] {
            assert_eq!(RegionName::parse(good).unwrap().as_str(), good);
        }
        let bad = [
            "",
            "EastUS",
            "east us",
            "westus-",
            "-eastus",
            "2westus",
            &too_long,
            "a.b",
            "a/b",
            "a:b",
            "westus\n",
            "w\u{e9}st",
        ];
        for text in bad {
            assert!(RegionName::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn hosts() {
        let region = RegionName::parse("westus2").unwrap();
        for (authority, expected) in [
            ("https://login.microsoftonline.com/t", "westus2.login.microsoft.com"),
            ("https://sts.windows.net/t", "westus2.login.microsoft.com"),
            ("https://login.microsoftonline.us/t", "westus2.login.microsoftonline.us"),
            ("https://login.contoso.com:8443/t", "westus2.login.contoso.com"),
        ] {
            let endpoint = region.metadata_endpoint(&Authority::parse(authority).unwrap(), "t").unwrap();
            assert_eq!(endpoint.host(), expected);
            assert_eq!(endpoint.port(), Authority::parse(authority).unwrap().endpoint().port());
        }
    }
}
