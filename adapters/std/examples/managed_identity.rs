//! A token of the identity that Azure gives to this machine or service; or, with `--chain`, of the first credential that is
//! there. With `AZURE_CLIENT_ID` the user-assigned identity of that id.
//!
//! `managed_identity [--chain] [RESOURCE]`

use std::error::Error;

use sansal_std::{DefaultChain, Environment, ManagedIdentity, ManagedIdentityClient, Token};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let chain = arguments.first().is_some_and(|first| first == "--chain");
    if chain {
        arguments.remove(0);
    }
    let resource = arguments.first().map_or("https://management.azure.com", String::as_str);
    let token = if chain { by_chain(&DefaultChain::from_env()?, resource)? } else { by_identity(resource)? };
    println!("Authorization: {} {}", token.token_type(), token.access_token());
    Ok(())
}

fn by_identity(resource: &str) -> Result<Token, Box<dyn Error>> {
    let identity = match Environment::from_process()?.client_id {
        Some(client_id) => ManagedIdentity::ClientId(client_id),
        None => ManagedIdentity::SystemAssigned,
    };
    let client = ManagedIdentityClient::builder(identity).build()?;
    eprintln!("asking {}", client.source());
    Ok(client.acquire_token_for_client(resource)?)
}

/// What a program does that runs on a laptop, in a pipeline and in Azure alike.
pub fn by_chain(chain: &DefaultChain, resource: &str) -> Result<Token, Box<dyn Error>> {
    let token = chain.acquire_token(&[format!("{resource}/.default")])?;
    eprintln!("found: {}", chain.found().map_or("nothing", |link| link.name()));
    Ok(token)
}
