//! The instance metadata service (IMDS) of virtual machines, and what stands in for it (sections 4.14.3 and 4.14.4 of the reference).

use alloc::format;
use alloc::vec::Vec;

use super::answer::{Answer, Asked, endpoint};
use super::identity::Selector;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::http::Request;
use crate::json::Members;
use crate::secret::Secret;

/// RFC 3927: nobody but the host of the virtual machine hears what is sent there.
const HOST: &str = "http://169.254.169.254";
const NAMES: Selector = Selector { client_id: "client_id", object_id: "object_id", resource_id: "msi_res_id" };
/// The service says so while it is being updated, and when the identity was only just assigned.
pub(super) const TRANSIENT: &[u16] = &[404, 410];

pub(super) fn address(asked: &Asked<'_>) -> Result<Endpoint, Error> {
    let host = asked.environment.pod_identity_authority_host.as_deref().unwrap_or(HOST).trim_matches('/');
    let address = format!("{host}/metadata/identity/oauth2/token");
    endpoint(
        Some(&address),
        "AZURE_POD_IDENTITY_AUTHORITY_HOST must be https, or http at a loopback or link-local address",
    )
}

/// Without the header that the service wants to see: it answers at once, with an error. Whatever it answers, it is there.
pub(super) fn probe(asked: &Asked<'_>) -> Result<Request, Error> {
    asked.get(&address(asked)?, &[("api-version", "2018-02-01")])
}

pub(super) fn request(asked: &Asked<'_>, request_id: &str) -> Result<Request, Error> {
    let mut parameters = Vec::from([("api-version", "2018-02-01"), ("resource", asked.resource)]);
    parameters.extend(asked.identity.selector(NAMES));
    let request = asked.get(&address(asked)?, &parameters)?;
    Ok(request
        .header("Metadata", "true")
        .header("x-client-SKU", "sansal")
        .header("x-client-Ver", env!("CARGO_PKG_VERSION"))
        .header("x-ms-client-request-id", Secret::from(request_id)))
}

pub(super) fn read(answer: &Answer<'_>) -> Result<Members, Error> {
    let payload = answer.payload()?;
    match answer.token(&payload, "expires_in")? {
        Some(token) => Ok(token),
        // An error in the words of OAuth. To the reference whatever is no token is one.
        None if answer.lenient || payload.contains("error") => Err(answer.refused_as(payload)),
        None => Err(answer.neither()),
    }
}
