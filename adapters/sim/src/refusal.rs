//! Errors as Entra writes them: the members of RFC 6749 s5.2 and Microsoft's own (`error_codes`, `trace_id` …).

use serde_json::{Value, json};

use crate::chance::Chance;
use crate::message::{Request, Response};

/// Why a request is refused. The texts are ours, the numbers Microsoft's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: u16,
    error: &'static str,
    code: u32,
    text: String,
    claims: Option<String>,
    suberror: Option<&'static str>,
}

/// The refusals of the token endpoint and of discovery.
impl Refusal {
    pub(crate) fn new(status: u16, error: &'static str, code: u32, text: impl Into<String>) -> Self {
        Self { status, error, code, text: text.into(), claims: None, suberror: None }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "invalid_request", 900_561, "There is no such endpoint, or it takes another method.")
    }

    pub(crate) fn unknown_tenant(name: &str) -> Self {
        Self::new(400, "invalid_request", 90_002, format!("Tenant '{name}' not found."))
    }

    pub(crate) fn unknown_instance() -> Self {
        Self::new(400, "invalid_instance", 50_049, "Unknown or invalid instance.")
    }

    pub(crate) fn malformed(text: &str) -> Self {
        Self::new(400, "invalid_request", 90_023, text)
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        let text = format!("The request body must contain the following parameter: '{parameter}'.");
        Self::new(400, "invalid_request", 900_144, text)
    }

    pub(crate) fn grant_type(name: &str) -> Self {
        Self::new(400, "unsupported_grant_type", 70_003, format!("The grant type '{name}' is not supported."))
    }

    pub(crate) fn unknown_application(client_id: &str) -> Self {
        let text = format!("Application with identifier '{client_id}' was not found in the directory.");
        Self::new(400, "unauthorized_client", 700_016, text)
    }

    pub(crate) fn no_credential() -> Self {
        let text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
        Self::new(401, "invalid_client", 7_000_218, text)
    }

    pub(crate) fn wrong_secret() -> Self {
        Self::new(401, "invalid_client", 7_000_215, "Invalid client secret provided.")
    }

    pub(crate) fn expired_secret() -> Self {
        Self::new(401, "invalid_client", 7_000_222, "The provided client secret keys are expired.")
    }

    pub(crate) fn malformed_assertion(why: &str) -> Self {
        Self::new(401, "invalid_client", 50_027, format!("JWT token is invalid or malformed: {why}."))
    }

    pub(crate) fn wrong_key(why: &str) -> Self {
        let text = format!("The certificate with identifier used to sign the client assertion: {why}.");
        Self::new(401, "invalid_client", 700_027, text)
    }

    pub(crate) fn assertion_time() -> Self {
        Self::new(401, "invalid_client", 700_024, "Client assertion is not within its valid time range.")
    }

    pub(crate) fn assertion_client(claim: &str) -> Self {
        let text = format!("Client assertion application identifier '{claim}' doesn't match 'client_id' parameter.");
        Self::new(401, "invalid_client", 700_021, text)
    }

    pub(crate) fn assertion_audience() -> Self {
        Self::new(401, "invalid_client", 700_023, "Client assertion audience claim does not match this endpoint.")
    }

    pub(crate) fn scope(scope: &str) -> Self {
        let text = format!("The provided value for the input parameter 'scope' is not valid: '{scope}'.");
        Self::new(400, "invalid_scope", 70_011, text)
    }

    pub(crate) fn unknown_resource(name: &str) -> Self {
        let text = format!("The resource principal named '{name}' was not found in the tenant.");
        Self::new(400, "invalid_resource", 500_011, text)
    }

    pub(crate) fn claims_wanted(claims: &str) -> Self {
        let text = "Access has been blocked by Conditional Access policies.";
        let refusal = Self::new(400, "interaction_required", 53_003, text);
        Self { claims: Some(claims.to_owned()), ..refusal }
    }

    pub(crate) fn no_signature() -> Self {
        Self::new(500, "server_error", 90_033, "A token could not be signed.")
    }
}

/// The refusals of the flows with users.
impl Refusal {
    fn grant(code: u32, text: &str) -> Self {
        Self::new(400, "invalid_grant", code, text)
    }

    pub(crate) fn unknown_user() -> Self {
        Self::grant(50_034, "The user account does not exist in the directory.")
    }

    pub(crate) fn wrong_password() -> Self {
        Self::grant(50_126, "Invalid username or password.")
    }

    pub(crate) fn password_expired() -> Self {
        Self::grant(50_055, "The password is expired.").suberror("user_password_expired")
    }

    pub(crate) fn disabled() -> Self {
        Self::grant(50_057, "The user account is disabled.")
    }

    pub(crate) fn second_factor(claims: &str) -> Self {
        let text = "You must use multi-factor authentication to access the resource.";
        Self::new(400, "interaction_required", 50_076, text).suberror("basic_action").claims(claims)
    }

    pub(crate) fn consent_required() -> Self {
        Self::grant(65_001, "The user has not consented to use the application.").suberror("consent_required")
    }

    pub(crate) fn public_with_credential() -> Self {
        let text = "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.";
        Self::new(401, "invalid_client", 700_025, text)
    }

    pub(crate) fn not_over_common() -> Self {
        let text = "The grant type is not supported over the /common or /consumers endpoints.";
        Self::new(400, "invalid_request", 9_001_023, text)
    }

    pub(crate) fn redirect_uri() -> Self {
        Self::new(400, "invalid_request", 50_011, "The redirect URI is not one of those configured.")
    }

    pub(crate) fn response_type(name: &str) -> Self {
        let text = format!("The response_type '{name}' is not enabled for the application.");
        Self::new(400, "unsupported_response_type", 700_051, text)
    }

    pub(crate) fn pkce_required() -> Self {
        Self::new(400, "invalid_request", 9_002_325, "Proof Key for Code Exchange (S256) is required.")
    }

    pub(crate) fn login_required() -> Self {
        Self::new(400, "login_required", 50_058, "A silent sign-in request was sent but no user is signed in.")
    }

    pub(crate) fn verifier() -> Self {
        Self::grant(501_481, "The Code_Verifier does not match the code_challenge of the authorization request.")
    }

    pub(crate) fn code_used() -> Self {
        Self::grant(54_005, "The code was already redeemed.")
    }

    pub(crate) fn code_expired() -> Self {
        Self::grant(70_008, "The authorization code is expired.")
    }

    pub(crate) fn reply_address() -> Self {
        Self::grant(500_112, "The reply address does not match the one of the authorization request.")
    }

    pub(crate) fn grant_value(parameter: &str) -> Self {
        Self::grant(70_000, &format!("The provided value for the input parameter '{parameter}' is not valid."))
    }

    pub(crate) fn revoked() -> Self {
        Self::grant(50_173, "The provided grant has been revoked; a fresh token is needed.")
    }

    pub(crate) fn stale_refresh_token() -> Self {
        Self::grant(700_082, "The refresh token has expired due to inactivity.")
    }

    pub(crate) fn assertion(code: u32, text: &str) -> Self {
        Self::grant(code, text)
    }

    pub(crate) fn several_resources() -> Self {
        Self::new(400, "invalid_scope", 28_000, "The scope names more than one resource.")
    }

    pub(crate) fn device(error: &'static str, code: u32, text: &str) -> Self {
        Self::new(400, error, code, text)
    }

    /// The same with a `suberror`.
    pub(crate) fn suberror(self, name: &'static str) -> Self {
        Self { suberror: Some(name), ..self }
    }

    /// The same with a claims challenge.
    pub(crate) fn claims(self, claims: &str) -> Self {
        Self { claims: Some(claims.to_owned()), ..self }
    }

    /// `error`, and the description as Entra begins it.
    pub(crate) fn redirected(&self) -> (&'static str, String) {
        (self.error, format!("AADSTS{}: {}", self.code, self.text))
    }

    /// The answer at an Entra endpoint.
    pub(crate) fn entra(&self, request: &Request, chance: &mut Chance) -> Response {
        let trace_id = chance.uuid();
        let correlation_id = request.header("client-request-id").map_or_else(|| chance.uuid(), str::to_owned);
        let timestamp = timestamp(request.now);
        let description = format!(
            "AADSTS{}: {} Trace ID: {trace_id} Correlation ID: {correlation_id} Timestamp: {timestamp}",
            self.code, self.text
        );
        let mut document = json!({
            "error": self.error,
            "error_description": description,
            "error_codes": [self.code],
            "timestamp": timestamp,
            "trace_id": trace_id,
            "correlation_id": correlation_id,
            "error_uri": format!("https://{}/error?code={}", request.host, self.code),
        });
        if let (Some(claims), Some(members)) = (&self.claims, document.as_object_mut()) {
            members.insert("claims".to_owned(), Value::from(claims.as_str()));
        }
        if let (Some(name), Some(members)) = (self.suberror, document.as_object_mut()) {
            members.insert("suberror".to_owned(), Value::from(name));
        }
        Response::json(self.status, &document)
    }

    /// The answer of any other provider: RFC 6749 s5.2 and no more.
    pub(crate) fn plain(&self) -> Response {
        Response::json(self.status, &json!({ "error": self.error, "error_description": self.text }))
    }
}

/// `2026-11-22 19:20:22Z`, as Entra writes it.
fn timestamp(now: u64) -> String {
    const LAST: u64 = 253_402_300_799; // the end of the year 9999
    let now = now.min(LAST);
    let (mut days, seconds) = (now / 86_400, now % 86_400);
    let mut year = 1970_u64;
    while let Some(rest) = days.checked_sub(if is_leap(year) { 366 } else { 365 }) {
        (days, year) = (rest, year.saturating_add(1));
    }
    let mut month = 1_u64;
    let lengths = [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30];
    for length in lengths {
        let Some(rest) = days.checked_sub(length) else { break };
        (days, month) = (rest, month.saturating_add(1));
    }
    let day = days.saturating_add(1);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps() {
        // From GNU date.
        let cases = [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_399, "2000-02-28 23:59:59Z"),
            (951_782_400, "2000-02-29 00:00:00Z"),
            (1_798_761_599, "2026-12-31 23:59:59Z"),
            (4_107_542_400, "2100-03-01 00:00:00Z"),
            (u64::MAX, "9999-12-31 23:59:59Z"),
        ];
        for (now, expected) in cases {
            assert_eq!(timestamp(now), expected);
        }
    }
}
