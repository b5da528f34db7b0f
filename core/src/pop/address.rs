//! The address of a resource in its parts, as proofs name them (RFC 3986 s3, appendix B).

use alloc::format;
use alloc::string::String;

use crate::error::Config;
use crate::limits::MAX_URL;

/// An absolute http or https address, split but otherwise as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address<'a> {
    scheme: &'a str,
    /// The host, with the port where one is written.
    pub(super) authority: &'a str,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
}

impl<'a> Address<'a> {
    pub(super) fn parse(url: &'a str) -> Result<Self, Config> {
        let is_text = url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        let (scheme, rest) = url.split_once("://").ok_or(Config::ResourceAddress)?;
        let is_http = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(before, query)| (before, Some(query)));
        let (authority, path) = rest.find('/').and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, ""));
        let has_host = !authority.is_empty() && !authority.starts_with(':') && !authority.contains('@');
        match is_text && is_http && has_host && url.len() <= MAX_URL {
            true => Ok(Self { scheme, authority, path, query }),
            false => Err(Config::ResourceAddress),
        }
    }

    /// Without query and fragment, scheme and host in lower case, the scheme's own port left out, and an empty path as `/`
    /// (RFC 9449 s4.3; RFC 3986 s6.2.2.1, s6.2.3).
    pub(super) fn normalized(&self) -> String {
        let scheme = self.scheme.to_ascii_lowercase();
        let authority = self.authority.to_ascii_lowercase();
        let default = if scheme == "https" { ":443" } else { ":80" };
        let host = authority.strip_suffix(default).or(authority.strip_suffix(':')).unwrap_or(&authority);
        let path = if self.path.is_empty() { "/" } else { self.path };
        format!("{scheme}://{host}{path}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalization() {
        // RFC 9449 s4.2, RFC 3986 s6.2.2 and s6.2.3.
        let cases = [
            ("https://resource.example.org/protectedresource", Ok("https://resource.example.org/protectedresource")),
            ("https://r.example/a?x=1#y", Ok("https://r.example/a")),
            ("https://r.example/a#y?z", Ok("https://r.example/a")),
            ("HTTPS://R.Example:443/A%2fb", Ok("https://r.example/A%2fb")),
            ("https://r.example:8443", Ok("https://r.example:8443/")),
            ("https://r.example:/", Ok("https://r.example/")),
            ("https://r.example?x", Ok("https://r.example/")),
            ("http://127.0.0.1:80/x", Ok("http://127.0.0.1/x")),
            ("http://127.0.0.1:443/x", Ok("http://127.0.0.1:443/x")),
            ("https://[::1]:443/x", Ok("https://[::1]/x")),
            ("", Err(Config::ResourceAddress)),
            ("/a", Err(Config::ResourceAddress)),
            ("https:///a", Err(Config::ResourceAddress)),
            ("https://:443/a", Err(Config::ResourceAddress)),
            ("ftp://r.example/a", Err(Config::ResourceAddress)),
            ("https://u@r.example/a", Err(Config::ResourceAddress)),
            ("https://r.example/a b", Err(Config::ResourceAddress)),
            ("https://r.example\\@other.example/", Err(Config::ResourceAddress)),
            ("https://r.example/é", Err(Config::ResourceAddress)),
        ];
        for (url, expected) in cases {
            let got = Address::parse(url).map(|address| address.normalized());
            assert_eq!(got.as_deref(), expected.as_deref(), "{url}");
        }
    }
}
