//! What a browser brings back, which anybody can make up.

use core::str;

use crate::authorization::{AuthCodeFlow, AuthorizationResponse};
use crate::client::Client;
use crate::error::Error;
use crate::http::form;
use crate::json::Members;
use crate::metadata::ProviderMetadata;

const AUTHORITY: &str = "https://idp.example/lab";
const REDIRECT: &str = "http://localhost:8400";

/// A code is taken only from a form in which no parameter comes twice, with our state, and from our server; an error shows
/// the server's words and nothing else of the form. The first byte says whether the server promised to name itself.
pub fn redirect_answer(data: &[u8]) {
    let Some((promised, rest)) = data.split_first() else { return };
    let Ok(text) = str::from_utf8(rest) else { return };
    let Some((flow, metadata)) = flow(promised & 1 == 1) else { return };
    let Ok(response) = AuthorizationResponse::parse(text) else { return };
    let Some(fields) = form::decode(text) else { panic!("an answer that is not a form") };
    let value = |name: &str| {
        let mut all = fields.iter().filter(|(known, _)| known == name).map(|(_, value)| value.expose());
        let first = all.next();
        assert!(all.next().is_none(), "a parameter came twice");
        first
    };
    let issuer = value("iss");
    let ours = value("state") == Some("the-state")
        && (issuer == Some(AUTHORITY) || issuer.is_none() && !metadata.answers_with_issuer);
    match flow.code(&metadata, &response) {
        Ok(code) => assert!(ours && Some(code.expose()) == value("code") && !code.is_empty()),
        Err(error) => {
            let refused = error.refusal().is_some();
            assert!(!refused || ours && value("error").is_some_and(|error| !error.is_empty()));
            assert!(refused || matches!(error, Error::BadResponse { .. }));
            if let Some(refusal) = error.refusal() {
                let words = ["error", "error_description", "error_uri"];
                assert!(refusal.members().iter().all(|(name, _)| words.contains(&name)));
            }
        }
    }
    if let Some(id) = response.home_account_id() {
        assert!(id.is_ascii() && !id.contains(|c: char| c.is_ascii_control() || c == ' '), "this goes into a header");
    }
}

fn flow(promised: bool) -> Option<(AuthCodeFlow, ProviderMetadata)> {
    let client = Client::builder("app").oidc_authority(AUTHORITY).build().ok()?;
    let mut members = Members::new();
    for (name, value) in [
        ("client_id", "app"),
        ("authority", AUTHORITY),
        ("state", "the-state"),
        ("redirect_uri", REDIRECT),
        ("code_verifier", "the-verifier"),
        ("nonce", "the-nonce"),
    ] {
        members.set(name, value);
    }
    members.set("scope", serde_json::json!(["openid"]));
    let metadata = alloc::format!(
        r#"{{"issuer":"{AUTHORITY}","token_endpoint":"{AUTHORITY}/token","authorization_endpoint":"{AUTHORITY}/auth","authorization_response_iss_parameter_supported":{promised}}}"#
    );
    let flow = AuthCodeFlow::from_members(&client, REDIRECT, &members).ok()?;
    Some((flow, ProviderMetadata::parse(metadata.as_bytes()).ok()?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_stage_is_set() {
        let (flow, metadata) = super::flow(true).unwrap();
        assert!(metadata.answers_with_issuer && flow.state().matches("the-state"));
    }
}
