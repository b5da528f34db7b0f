//! A small protected resource (RFC 6750): takes tokens of the platform, and demands claims (`insufficient_claims`) on command.

use base64ct::{Base64, Encoding};
use serde_json::{Map, Value, json};

use crate::issue::challenged;
use crate::message::{Request, Response};
use crate::platform::Platform;

impl Platform {
    /// From now on the resource at `/sansal-sim/resource` takes only tokens that have what this claims challenge (JSON)
    /// asks for: `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`. `None`: any token again.
    pub fn demand_claims(&mut self, claims: Option<&str>) {
        self.desk.demanded = claims.map(str::to_owned);
    }

    /// What the protected resource answers, `/sansal-sim/resource` over TLS: 200 with the claims of the token, or 401 with
    /// `WWW-Authenticate`.
    pub fn protected(&self, request: &Request) -> Response {
        let bearer = request.header("authorization").and_then(|value| value.split_once(' '));
        let token = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        let place = format!("authorization_uri=\"https://{}/common/oauth2/v2.0/authorize\"", request.host);
        let refuse = |rest: &str| {
            let value = format!("Bearer realm=\"\", {place}{rest}");
            Response::json(401, &json!({ "error": "unauthorized" })).header("WWW-Authenticate", &value)
        };
        let Some(token) = token else { return refuse("") };
        let counts = |claims: &Map<String, Value>| {
            let end = claims.get("exp").and_then(Value::as_u64).unwrap_or_default();
            let audience = claims.get("aud").and_then(Value::as_str).unwrap_or_default();
            let is_ours = self.resources.iter().any(|own| own.audience == audience);
            // An ID token has none of them.
            end > request.now && is_ours && (claims.contains_key("scp") || claims.contains_key("roles"))
        };
        let Some(claims) = self.keys.verify(token).filter(counts) else {
            return refuse(", error=\"invalid_token\"");
        };
        let has = |name: &str, wanted: &[String]| match claims.get(name) {
            // `nbf` of a challenge is the time of an event: the token must be younger.
            Some(Value::Number(number)) => {
                wanted.iter().filter_map(|one| one.parse().ok()).all(|at| number.as_u64().is_some_and(|own| own >= at))
            }
            Some(Value::Array(own)) => wanted.iter().all(|one| own.iter().any(|value| value == one)),
            Some(own) => wanted.iter().all(|one| own == one),
            None => false,
        };
        match &self.desk.demanded {
            Some(demand) if !challenged(demand).iter().all(|(name, wanted)| has(name, wanted)) => {
                let claims = Base64::encode_string(demand.as_bytes());
                refuse(&format!(", error=\"insufficient_claims\", claims=\"{claims}\""))
            }
            _ => Response::json(200, &Value::Object(claims)),
        }
    }
}
