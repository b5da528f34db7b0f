//! Azure Machine Learning, and older App Service hosts (sections 4.14.3 and 4.14.4 of the reference).

use alloc::vec::Vec;

use super::answer::{Answer, Asked, endpoint, header_value};
use super::identity::Selector;
use crate::error::Error;
use crate::http::Request;
use crate::json::Members;
use crate::secret::Secret;

const NAMES: Selector = Selector { client_id: "clientid", object_id: "object_id", resource_id: "msi_res_id" };

pub(super) fn request(asked: &Asked<'_>) -> Result<(Request, Secret), Error> {
    let address = endpoint(
        asked.environment.msi_endpoint.as_deref(),
        "MSI_ENDPOINT must be https, or http at a loopback or link-local address",
    )?;
    let secret =
        header_value(asked.environment.msi_secret.as_ref(), "MSI_SECRET has characters that no header can have")?;
    let mut parameters = Vec::from([("api-version", "2017-09-01"), ("resource", asked.resource)]);
    parameters.extend(asked.identity.selector(NAMES));
    Ok((asked.get(&address, &parameters)?.header("secret", secret.clone()), secret))
}

pub(super) fn read(answer: &Answer<'_>) -> Result<Members, Error> {
    let payload = answer.payload()?;
    match answer.token(&payload, "expires_on")? {
        Some(token) => Ok(token),
        None if answer.may_be_token() && !answer.lenient => Err(answer.neither()),
        None => Err(answer.refused("invalid_scope", answer.quoted())),
    }
}
