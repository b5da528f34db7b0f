//! `sansal token --from az`: a token of whoever has signed in at the Azure CLI.

use clap::{Args, ValueEnum};
use sansal_std::{AzToken, AzureCli, AzureCliError, PublicClient, PublicClientBuilder, Token};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output;

/// Whose login.
#[derive(Args)]
pub(crate) struct Login {
    /// A login that another program has: az, the Azure CLI's. Its token cache is read, and not written.
    #[arg(long, value_name = "PROGRAM", value_enum, help_heading = "Login of another program", conflicts_with_all = [
        "managed_identity", "client_secret_file", "client_secret_env", "certificate", "key", "assertion_file", "client_id",
        "issuer", "cache", "claims", "fmi_path", "region", "force_refresh",
    ])]
    from: Option<From>,
    /// Start az, if its token cache is encrypted or cannot be read.
    #[arg(long, help_heading = "Login of another program", requires = "from")]
    run_az: bool,
    /// Write what is refreshed into the Azure CLI's token cache, as it would itself.
    #[arg(long, help_heading = "Login of another program", requires = "from")]
    write_back: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum From {
    /// The Azure CLI.
    Az,
}

/// A token, and how it came.
pub(crate) enum Got {
    /// By its refresh token, or from its cache.
    Token(Box<Token>),
    /// Printed by `az`.
    Printed(Printed),
}

/// A token that `az` has printed.
pub(crate) struct Printed(AzToken);

impl Printed {
    pub(crate) fn text(&self) -> &str {
        self.0.access_token.expose()
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "access_token": self.text(),
            "token_type": "Bearer",
            "expires_on": self.0.expires_on.map(|at| at.0),
            "tenant": self.0.tenant,
            "token_source": "az",
        })
    }
}

impl Login {
    pub(crate) fn is_asked_for(&self) -> bool {
        self.from.is_some()
    }

    pub(crate) fn token(
        &self,
        tenant: Option<&str>,
        user: Option<&str>,
        scopes: &[String],
        configure: impl FnOnce(PublicClientBuilder) -> Result<PublicClient, Failure>,
    ) -> Result<Got, Failure> {
        let mut login = match AzureCli::from_env() {
            Ok(login) => login,
            Err(why @ (AzureCliError::Encrypted(_) | AzureCliError::Setup(_))) if self.run_az => {
                output::note(&output::one_line(&format!("{why}; starting az")));
                let [scope] = scopes else {
                    return Err(Failure::usage("az gives tokens for one resource at a time: one --scope"));
                };
                return Ok(Got::Printed(Printed(AzureCli::run_az(scope, tenant).map_err(failed)?)));
            }
            Err(why) => return Err(failed(why)),
        };
        if let Some(tenant) = tenant {
            login = login.tenant(tenant);
        }
        if let Some(user) = user {
            login = login.user(user);
        }
        if self.write_back {
            login = login.write_back();
        }
        let client = configure(login.client().map_err(failed)?)?;
        login.acquire_token(&client, scopes).map(|token| Got::Token(Box::new(token))).map_err(failed)
    }
}

fn failed(error: AzureCliError) -> Failure {
    match error {
        AzureCliError::NotSignedIn(_) => Failure::person(error),
        AzureCliError::Which(_) | AzureCliError::Application => Failure::usage(error),
        AzureCliError::Setup(why) => why.into(),
        AzureCliError::Client(why @ sansal_std::Error::InteractionRequired { .. }) => {
            Failure::person(format_args!("{why}; run 'az login'"))
        }
        AzureCliError::Client(why) => why.into(),
        _ => Failure::local(error),
    }
}
