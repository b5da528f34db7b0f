//! Signing in without a secret, by a token that the surroundings give: Kubernetes (AKS), GitHub Actions, Azure Pipelines.
//! Entra trusts that token because of a federated credential on the application (RFC 7521, RFC 7523).
//!
//! `workload_identity [SCOPE]`, with `AZURE_CLIENT_ID` and `AZURE_TENANT_ID` set.

use std::error::Error;

use sansal_std::sansal::http::{Body, Request};
use sansal_std::sansal::json;
use sansal_std::sansal::time::Millis;
use sansal_std::{
    AskError, ConfidentialClient, ConfidentialClientBuilder, Endpoint, Environment, HttpClient, Secret, UreqClient,
};

/// Whom the token must be meant for, so that Entra takes it.
const AUDIENCE: &str = "api://AzureADTokenExchange";
/// Bytes of an answer.
const LIMIT: usize = 64 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let scope = std::env::args().nth(1).unwrap_or_else(|| "https://graph.microsoft.com/.default".to_owned());
    let environment = Environment::from_process()?;
    let client = match surroundings()? {
        Surroundings::Kubernetes => kubernetes(&environment)?,
        Surroundings::GitHubActions { url, token } => {
            let http = UreqClient::builder().build()?;
            application(&environment)?.assertion_callback(move |_| github_actions(&http, &url, &token))
        }
        Surroundings::AzurePipelines { url, token } => {
            let http = UreqClient::builder().build()?;
            application(&environment)?.assertion_callback(move |_| azure_pipelines(&http, &url, &token))
        }
    };
    let token = client.build()?.acquire_token_for_client(&[scope])?;
    println!("Authorization: {} {}", token.token_type(), token.access_token());
    Ok(())
}

/// Where this program runs.
enum Surroundings {
    Kubernetes,
    GitHubActions { url: String, token: Secret },
    AzurePipelines { url: String, token: Secret },
}

#[expect(clippy::disallowed_methods, reason = "a program may read its variables")]
fn surroundings() -> Result<Surroundings, Box<dyn Error>> {
    let variable = |name: &str| std::env::var(name);
    if let (Ok(url), Ok(token)) = (variable("ACTIONS_ID_TOKEN_REQUEST_URL"), variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN"))
    {
        return Ok(Surroundings::GitHubActions { url, token: Secret::new(token) });
    }
    if let (Ok(url), Ok(token)) = (variable("SYSTEM_OIDCREQUESTURI"), variable("SYSTEM_ACCESSTOKEN")) {
        let connection = variable("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID")?;
        let url = format!("{url}?api-version=7.1&serviceConnectionId={connection}");
        return Ok(Surroundings::AzurePipelines { url, token: Secret::new(token) });
    }
    Ok(Surroundings::Kubernetes)
}

fn application(environment: &Environment) -> Result<ConfidentialClientBuilder, Box<dyn Error>> {
    Ok(ConfidentialClient::builder(environment.client_id()?).authority(&environment.authority()?))
}

/// AKS puts a token into a file and renews it there: the file is read anew for each token request.
pub fn kubernetes(environment: &Environment) -> Result<ConfidentialClientBuilder, Box<dyn Error>> {
    Ok(ConfidentialClient::from_environment(environment)?)
}

/// GitHub gives a token of the running job to whoever has the job's own (`permissions: id-token: write`).
pub fn github_actions(http: &impl HttpClient, url: &str, token: &Secret) -> Result<Secret, AskError> {
    let address = Endpoint::parse(url).map_err(|_| AskError::Failed)?;
    let address = address.with_query(&[("audience", AUDIENCE)]).map_err(|_| AskError::Failed)?;
    ask(http, Request::get(address, LIMIT, Millis::from_secs(10)), token, "value")
}

/// Azure Pipelines does the same for a service connection with workload identity federation.
pub fn azure_pipelines(http: &impl HttpClient, url: &str, token: &Secret) -> Result<Secret, AskError> {
    let address = Endpoint::parse(url).map_err(|_| AskError::Failed)?;
    let nothing = Body::form(std::iter::empty());
    ask(http, Request::post(address, nothing, LIMIT, Millis::from_secs(10)), token, "oidcToken")
}

/// Whatever goes wrong, nothing of the answer is said: it could be the token.
fn ask(http: &impl HttpClient, request: Request, token: &Secret, member: &str) -> Result<Secret, AskError> {
    let request = request.header("Authorization", Secret::new(format!("Bearer {}", token.expose())));
    let response = http.send(&request).map_err(|_| AskError::Failed)?;
    if response.status != 200 {
        return Err(AskError::Denied);
    }
    let members = json::parse_object(response.body.expose(), LIMIT).map_err(|_| AskError::Failed)?;
    members.text(member).map(Secret::from).ok_or(AskError::Failed)
}
