//! `sansal token --managed-identity`: a token for the identity that Azure gives to this machine or service.

use std::time::Duration;

use clap::Args;
use sansal_std::{ManagedIdentity, ManagedIdentityClient, Token};

use crate::failure::Failure;

/// How long the metadata service of virtual machines may take to say that it is there.
const PROBE: Duration = Duration::from_secs(2);

/// Which identity.
#[derive(Args)]
pub(crate) struct Identity {
    /// As the managed identity of this machine or service; --client-id names a user-assigned one.
    #[arg(long, help_heading = "Managed identity", conflicts_with_all = [
        "client_secret_file", "client_secret_env", "certificate", "key", "assertion_file", "account", "authority",
        "issuer", "tenant", "fmi_path", "region",
    ])]
    pub(crate) managed_identity: bool,
    /// What the token is for, such as `https://vault.azure.net`; in place of a scope.
    #[arg(
        long,
        value_name = "URL",
        help_heading = "Managed identity",
        requires = "managed_identity",
        conflicts_with = "scope"
    )]
    pub(crate) resource: Option<String>,
    /// A user-assigned identity, by the object id of its service principal.
    #[arg(
        long,
        value_name = "ID",
        help_heading = "Managed identity",
        requires = "managed_identity",
        conflicts_with = "client_id"
    )]
    object_id: Option<String>,
    /// A user-assigned identity, by its Azure resource id.
    #[arg(long, value_name = "ID", help_heading = "Managed identity", requires = "managed_identity", conflicts_with_all = ["client_id", "object_id"])]
    resource_id: Option<String>,
}

impl Identity {
    /// The token.
    pub(crate) fn token(
        &self,
        client_id: Option<&str>,
        scopes: &[String],
        claims: Option<&str>,
        names: bool,
    ) -> Result<Token, Failure> {
        let identity = match (client_id, &self.object_id, &self.resource_id) {
            (Some(id), ..) => ManagedIdentity::ClientId(id.to_owned()),
            (_, Some(id), _) => ManagedIdentity::ObjectId(id.clone()),
            (_, _, Some(id)) => ManagedIdentity::ResourceId(id.clone()),
            _ => ManagedIdentity::SystemAssigned,
        };
        let resource = match (&self.resource, scopes) {
            (Some(resource), _) => resource.as_str(),
            (None, [one]) => one.strip_suffix("/.default").ok_or_else(|| {
                Failure::usage(
                    "a managed identity has tokens for whole resources: --resource URL, or --scope URL/.default",
                )
            })?,
            _ => return Err(Failure::usage("a managed identity has tokens for one resource at a time")),
        };
        let client = ManagedIdentityClient::builder(identity).probe(PROBE).enable_pii_log(names).build()?;
        Ok(match claims {
            Some(claims) => client.acquire_token_with_claims_challenge(resource, claims)?,
            None => client.acquire_token_for_client(resource)?,
        })
    }
}
