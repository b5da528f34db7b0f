//! A token for the application itself, with what the environment says about it (`AZURE_CLIENT_ID` and its sisters).

use sansal_std::ConfidentialClient;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = ConfidentialClient::from_env()?.app_name("sansal-example").build()?;
    let token = client.acquire_token_for_client(&["https://graph.microsoft.com/.default"])?;
    println!("Authorization: {} {}", token.token_type(), token.access_token());
    Ok(())
}
