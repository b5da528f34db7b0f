//! The credentials that a program finds around it, tried one after the other, asynchronous.

use std::fmt;
use std::sync::{Arc, OnceLock};

use sansal::Token;
use sansal::error::{Config, Error};
use sansal_std::{
    AzureCli, AzureCliError, ChainError, ChainSearch, DefaultChainBuilder, Link, LinkSettings, SetupError,
};
use tokio::task::spawn_blocking;

use crate::confidential::ConfidentialClient;
use crate::managed::ManagedIdentityClient;

/// Gets tokens by the first link that is there, and stays with it: which they are, and when one ends the search, says
/// `sansal_std::DefaultChain`. Clones are the same chain.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use sansal_tokio::{DefaultChain, sansal_std};
///
/// let chain = DefaultChain::new(sansal_std::DefaultChain::builder())?;
/// let token = chain.acquire_token(&["https://vault.azure.net/.default"]).await?;
/// # let _ = token;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DefaultChain(Arc<Inner>);

struct Inner {
    links: Vec<(Link, Result<Member, SetupError>)>,
    found: OnceLock<usize>,
}

enum Member {
    Application(ConfidentialClient),
    Managed(ManagedIdentityClient),
    /// Reads the CLI's files: on a thread that may block.
    AzureCli(Arc<(AzureCli, sansal_std::PublicClient)>),
}

impl DefaultChain {
    /// As the builder of `sansal-std` says. Nothing is sent yet; a link that is not there is no error.
    ///
    /// # Errors
    /// [`SetupError::Environment`] when a variable cannot be read, or two contradict each other.
    pub fn new(settings: DefaultChainBuilder) -> Result<Self, SetupError> {
        let links = settings.links()?.into_iter();
        let links = links.map(|(link, settings)| (link, settings.and_then(Member::new))).collect();
        Ok(Self(Arc::new(Inner { links, found: OnceLock::new() })))
    }

    /// A token for one resource: its identifier followed by `/.default`.
    ///
    /// # Errors
    /// [`ChainError`] says what each link answered.
    pub async fn acquire_token<S: AsRef<str>>(&self, scopes: &[S]) -> Result<Token, ChainError> {
        let mut search = ChainSearch::default();
        let known = self.0.found.get().copied();
        for (at, (link, member)) in self.0.links.iter().enumerate() {
            if known.is_some_and(|known| known != at) {
                continue;
            }
            let goes_on = match member {
                Ok(member) => match member.acquire(scopes).await {
                    Ok(token) => {
                        // Another task may have been first; it found the same.
                        let _ = self.0.found.set(at);
                        return Ok(token);
                    }
                    Err(error) => search.failed(*link, error, known.is_some()),
                },
                Err(why) => search.unusable(*link, why),
            };
            if !goes_on {
                break;
            }
        }
        Err(search.end())
    }

    /// The link that gave a token first, and gives all others.
    pub fn found(&self) -> Option<Link> {
        self.0.links.get(*self.0.found.get()?).map(|(link, _)| *link)
    }

    /// As [`ClientApplication::close`](crate::ClientApplication::close), for all links.
    pub async fn close(&self) {
        for (_, member) in &self.0.links {
            match member {
                Ok(Member::Application(client)) => client.close().await,
                Ok(Member::Managed(client)) => client.close().await,
                Ok(Member::AzureCli(_)) | Err(_) => {}
            }
        }
    }
}

impl Member {
    fn new(settings: LinkSettings) -> Result<Self, SetupError> {
        Ok(match settings {
            LinkSettings::Application(settings) => Self::Application(ConfidentialClient::new(*settings)?),
            LinkSettings::Managed(settings) => Self::Managed(ManagedIdentityClient::new(*settings)?),
            LinkSettings::AzureCli(both) => {
                let (login, settings) = *both;
                Self::AzureCli(Arc::new((login, settings.build()?)))
            }
            _ => return Err(SetupError::Contradiction("a link that sansal-tokio does not know")),
        })
    }

    async fn acquire<S: AsRef<str>>(&self, scopes: &[S]) -> Result<Token, Error> {
        match (self, scopes) {
            (Self::Application(client), scopes) => client.acquire_token_for_client(scopes).await,
            (Self::Managed(client), [scope]) => {
                let scope = scope.as_ref();
                client.acquire_token_for_client(scope.strip_suffix("/.default").unwrap_or(scope)).await
            }
            (Self::AzureCli(both), scopes) => {
                let both = both.clone();
                let scopes: Vec<String> = scopes.iter().map(|scope| scope.as_ref().to_owned()).collect();
                let acquired = spawn_blocking(move || both.0.acquire_token(&both.1, &scopes)).await;
                acquired.unwrap_or(Err(AzureCliError::Client(Error::OutOfTurn))).map_err(|why| match why {
                    AzureCliError::Client(error) => error,
                    _ => Error::InteractionRequired { claims: None, refusal: None },
                })
            }
            (Self::Managed(_), _) => {
                Err(Config::Scope("a managed identity has tokens for one resource at a time").into())
            }
        }
    }
}

impl fmt::Debug for DefaultChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DefaultChain").field("found", &self.found()).finish_non_exhaustive()
    }
}
