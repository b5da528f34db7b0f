//! What is said about a request, a response and an outcome as `tracing` events: never a secret, and no names unless asked for.

use sansal::Error;
use sansal::error::{Refusal, SendError};
use sansal::http::Request;

use crate::http::HttpResponse;

/// Parts of paths that name no tenant and no user; all others are personal data.
const KNOWN_SEGMENTS: [&str; 18] = [
    "oauth2",
    "v1.0",
    "v2.0",
    "v2",
    "token",
    "authorize",
    "devicecode",
    "discovery",
    "instance",
    "keys",
    "jwks",
    ".well-known",
    "openid-configuration",
    "common",
    "organizations",
    "consumers",
    "adfs",
    "metadata",
];

/// Hosts whose first label is a tenant's name.
const TENANT_HOSTS: [&str; 3] = [".ciamlogin.com", ".b2clogin.com", ".onmicrosoft.com"];

/// Decides what may be said, and says it.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// Whether names of applications, tenants and users may be said.
    pub pii: bool,
}

impl Log {
    /// A machine begins.
    pub fn begin(self, client_id: &str) {
        if self.pii {
            tracing::debug!(client_id, "acquiring");
        }
    }

    /// A request goes out.
    pub fn request(self, request: &Request) {
        let correlation_id = request.headers.iter().find(|h| h.name == "client-request-id").map(|h| h.value.expose());
        tracing::debug!(
            method = request.method.as_str(),
            host = self.host(request),
            path = self.path(request),
            correlation_id,
            "request"
        );
    }

    /// A response came, after so many milliseconds.
    pub fn response(self, request: &Request, response: &HttpResponse, ms: u64) {
        tracing::debug!(
            host = self.host(request),
            status = response.status,
            bytes = response.body.expose().len(),
            ms,
            "response"
        );
    }

    /// None came.
    pub fn failed(self, request: &Request, why: SendError, ms: u64) {
        tracing::debug!(host = self.host(request), why = %why, ms, "no response");
    }

    /// A machine has come to its end.
    pub fn outcome(self, error: Option<&Error>) {
        match error {
            None => tracing::debug!("done"),
            Some(error) if self.pii => tracing::debug!(error = %error, "failed"),
            Some(error) => {
                let refusal = error.refusal();
                tracing::debug!(
                    kind = kind(error),
                    error = refusal.and_then(code),
                    error_codes = ?refusal.map(Refusal::error_codes).unwrap_or_default(),
                    "failed"
                );
            }
        }
    }

    fn host(self, request: &Request) -> String {
        let host = request.endpoint.host();
        let parent = TENANT_HOSTS.iter().find(|parent| !self.pii && host.ends_with(**parent));
        parent.map_or_else(|| host.to_owned(), |parent| format!("*{parent}"))
    }

    fn path(self, request: &Request) -> String {
        if self.pii {
            return request.endpoint.path().to_owned();
        }
        let shown = |segment| if KNOWN_SEGMENTS.contains(&segment) { segment } else { "*" };
        request.endpoint.segments().map(shown).flat_map(|segment| ["/", segment]).collect()
    }
}

/// `error` of RFC 6749 s5.2, as long as it looks like one.
fn code(refusal: &Refusal) -> Option<&str> {
    let error = refusal.error();
    let looks_right = error.len() <= 64 && error.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    looks_right.then_some(error)
}

fn kind(error: &Error) -> &'static str {
    match error {
        Error::Refused(_) => "refused",
        Error::InteractionRequired { .. } => "interaction required",
        Error::Throttled { .. } => "throttled",
        Error::Unreachable { .. } => "unreachable",
        Error::BadResponse { .. } => "bad response",
        Error::Config(_) => "configuration",
        Error::IdToken(_) => "ID token",
        Error::Unanswered { .. } => "unanswered",
        Error::NoEntropy => "no entropy",
        Error::Fault(_) => "federation",
        Error::Token(_) => "token",
        Error::Expired { .. } => "expired",
        Error::OutOfTurn => "out of turn",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sansal::Endpoint;
    use sansal::time::Millis;

    #[test]
    fn kinds_are_not_taken_for_a_bug_of_the_host() {
        for (error, expected) in [
            (Error::Expired { what: "device code", refusal: None }, "expired"),
            (Error::Token(sansal::error::TokenError::Signature), "token"),
            (Error::OutOfTurn, "out of turn"),
        ] {
            assert_eq!(kind(&error), expected);
        }
    }

    #[test]
    fn names_are_hidden_unless_asked_for() {
        let cases = [
            (
                "https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token?x=y",
                ("login.microsoftonline.com", "/*/oauth2/v2.0/token"),
                ("login.microsoftonline.com", "/contoso.onmicrosoft.com/oauth2/v2.0/token"),
            ),
            (
                "https://contoso.ciamlogin.com/common/.well-known/openid-configuration",
                ("*.ciamlogin.com", "/common/.well-known/openid-configuration"),
                ("contoso.ciamlogin.com", "/common/.well-known/openid-configuration"),
            ),
        ];
        for (address, hidden, shown) in cases {
            let request = Request::get(Endpoint::parse(address).unwrap(), 1, Millis(1));
            for (pii, (host, path)) in [(false, hidden), (true, shown)] {
                let log = Log { pii };
                assert_eq!((&*log.host(&request), &*log.path(&request)), (host, path), "{pii}");
            }
        }
    }
}
