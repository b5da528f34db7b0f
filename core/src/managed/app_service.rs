//! App Service, Functions, Container Apps, Automation (sections 4.14.3 and 4.14.4 of the reference).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::answer::{Answer, Asked, endpoint, header_value};
use super::identity::Selector;
use crate::error::Error;
use crate::http::Request;
use crate::json::{Members, Value};
use crate::secret::Secret;

const NAMES: Selector = Selector { client_id: "client_id", object_id: "object_id", resource_id: "mi_res_id" };

pub(super) fn request(asked: &Asked<'_>) -> Result<(Request, Secret), Error> {
    let address = endpoint(
        asked.environment.identity_endpoint.as_deref(),
        "IDENTITY_ENDPOINT must be https, or http at a loopback or link-local address",
    )?;
    let secret = header_value(
        asked.environment.identity_header.as_ref(),
        "IDENTITY_HEADER has characters that no header can have",
    )?;
    let mut parameters = Vec::from([("api-version", "2019-08-01"), ("resource", asked.resource)]);
    parameters.extend(asked.identity.selector(NAMES));
    let request = asked.get(&address, &parameters)?;
    Ok((request.header("X-IDENTITY-HEADER", secret.clone()).header("Metadata", "true"), secret))
}

pub(super) fn read(answer: &Answer<'_>) -> Result<Members, Error> {
    let payload = answer.payload()?;
    if let Some(token) = answer.token(&payload, "expires_on")? {
        return Ok(token);
    }
    if !answer.lenient && (answer.may_be_token() || !payload.contains("message")) {
        return Err(answer.neither());
    }
    let word = |name: &str| match payload.get(name) {
        None | Some(Value::Null) => String::from("None"),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    Err(answer.refused("invalid_scope", Some(format!("{}, {}", word("statusCode"), word("message")))))
}
