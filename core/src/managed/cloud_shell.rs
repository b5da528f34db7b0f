//! Cloud Shell: its endpoint gives tokens of the user who sits there (section 4.13 of the reference).

use alloc::format;
use alloc::string::{String, ToString};

use super::answer::{Answer, bad};
use crate::client::Settings;
use crate::endpoint::Endpoint;
use crate::error::{Config, Error};
use crate::http::{Body, Request};
use crate::json::{Members, Value};
use crate::limits::MAX_RESPONSE;

const ADDRESS: &str = "http://localhost:50342/oauth2/token";
/// Resources with a path. Of all others scheme and host are the resource.
const WITH_PATH: [&str; 2] =
    ["https://analysis.windows.net/powerbi/api", "https://pas.windows.net/CheckMyAccess/Linux/.default"];

/// The resource that a scope belongs to.
///
/// ```
/// use sansal::managed::cloud_shell_resource;
/// assert_eq!(cloud_shell_resource("https://graph.microsoft.com/User.Read"), "https://graph.microsoft.com");
/// ```
pub fn resource_of(scope: &str) -> String {
    if let Some(resource) = WITH_PATH.iter().find(|resource| scope.starts_with(**resource)) {
        return (*resource).to_string();
    }
    let is_scheme = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    };
    let (scheme, rest) = match scope.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme.to_ascii_lowercase()), rest),
        _ => (None, scope),
    };
    let (host, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at_checked(rest.find(['/', '?', '#']).unwrap_or(rest.len())).unwrap_or((rest, "")),
        None => ("", rest),
    };
    match scheme {
        Some(scheme) => format!("{scheme}://{host}{}", if path.starts_with("//") { "/" } else { "" }),
        None if host.is_empty() => path.split(['/', '?', '#']).next().unwrap_or_default().to_string(),
        None => scope.to_string(),
    }
}

pub(super) fn request<'a>(
    settings: &Settings,
    fields: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) -> Result<Request, Error> {
    let endpoint = Endpoint::parse(ADDRESS).map_err(|why| Config::Authority(why.reason()))?;
    Ok(Request::post(endpoint, Body::form(fields), MAX_RESPONSE, settings.attempt_timeout).header("Metadata", "true"))
}

/// The whole payload, once it is known to be a token.
pub(super) fn read(answer: &Answer<'_>) -> Result<Members, Error> {
    let payload = answer.payload()?;
    if answer.reply.status >= 300 {
        return Err(refusal(answer, &payload));
    }
    if payload.text("access_token").is_none_or(str::is_empty) {
        return Err(bad("access_token"));
    }
    if payload.contains("expires_in") { Ok(payload) } else { Err(bad("expires_in")) }
}

fn refusal(answer: &Answer<'_>, payload: &Members) -> Error {
    let error = match payload.get("error") {
        Some(Value::Object(error)) => Some(error),
        _ => None,
    };
    let word = |name| error.and_then(|error| error.get(name)).and_then(Value::as_str).filter(|text| !text.is_empty());
    let mut members = Members::new();
    for (name, value) in [("error", word("code")), ("error_description", word("message"))] {
        if let Some(value) = value {
            members.set(name, value);
        }
    }
    if members.contains("error") || answer.lenient { answer.refused_as(members) } else { answer.neither() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources() {
        // Section 4.13 and Appendix B of the reference.
        for (scope, expected) in [
            ("https://double-slash.com//scope", "https://double-slash.com/"),
            ("https://single-slash.com/scope", "https://single-slash.com"),
            ("https://no-path.com", "https://no-path.com"),
            ("HTTPS://Host.com/scope?q", "https://Host.com"),
            ("guid/some/scope", "guid"),
            ("scope", "scope"),
            ("", ""),
            ("api://guid/scope", "api://guid"),
            ("//host/scope", "//host/scope"),
            ("https://analysis.windows.net/powerbi/api/foo", "https://analysis.windows.net/powerbi/api"),
            ("https://analysis.windows.net/other", "https://analysis.windows.net"),
            (
                "https://pas.windows.net/CheckMyAccess/Linux/.default",
                "https://pas.windows.net/CheckMyAccess/Linux/.default",
            ),
        ] {
            assert_eq!(resource_of(scope), expected, "{scope:?}");
        }
    }
}
