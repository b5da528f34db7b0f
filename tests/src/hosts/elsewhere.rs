//! A host whose store is elsewhere: it brings partitions in when asked, and writes deltas back. Answers are scripted.

use std::collections::BTreeMap;

use sansal::cache::{Entry, TokenCache, TokenChange};
use sansal::client::aliases;
use sansal::flow::{Answer as Reply, AskError, CommitError, Flow, Input, Partition, Request, SendError, Step};
use sansal::store::Owner;
use sansal::{Client, Error};

use super::{Answer, World};

/// The place where tokens lie: a table that many processes share. It holds texts, since nothing else crosses a wire.
#[derive(Debug, Default)]
pub struct Remote {
    /// JSON entries by section and key, as in MSAL's file.
    pub rows: BTreeMap<(String, String), String>,
    /// What the next commits are answered with instead of being carried out.
    pub broken: Option<CommitError>,
    /// How many deltas were written.
    pub commits: usize,
}

impl Remote {
    /// The rows of one partition: those of the application under any name of the authority's host.
    pub fn partition(&self, wanted: &Partition) -> Result<TokenCache, Error> {
        let names = aliases(&wanted.environment);
        let mut cache = TokenCache::default();
        for ((section, key), row) in &self.rows {
            let entry = Entry::from_json(row.as_bytes())?;
            let same = |name: &str, value: &str| entry.text(name).is_none_or(|have| have == value);
            let environment = entry.text("environment").unwrap_or_default();
            if same("client_id", &wanted.client_id)
                && (environment == wanted.environment || names.contains(&environment))
                && match &wanted.owner {
                    Owner::Account(id) => same("home_account_id", id),
                    Owner::Application | Owner::Everyone => true,
                }
            {
                let (section, key) = (section.clone(), key.clone());
                cache.apply(Vec::from([TokenChange::Put { section, key, entry }]));
            }
        }
        Ok(cache)
    }

    /// Writes a delta, whole or not at all, and touches nothing else.
    ///
    /// # Errors
    /// What it was told to fail with.
    pub fn write(&mut self, changes: &[TokenChange]) -> Result<(), CommitError> {
        if let Some(why) = self.broken {
            return Err(why);
        }
        let mut rows = self.rows.clone();
        for change in changes {
            let place = (change.section().to_owned(), change.key().to_owned());
            match change.entry().map(Entry::to_json) {
                Some(json) => {
                    let json = core::str::from_utf8(&json).map_err(|_| CommitError::NotWritten)?;
                    rows.insert(place, json.to_owned());
                }
                None => drop(rows.remove(&place)),
            }
        }
        self.rows = rows;
        self.commits = self.commits.saturating_add(1);
        Ok(())
    }
}

/// Where a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashAfter(pub usize);

/// Drives a machine to its end; `None` if the process "died" after so many steps, with the last question unanswered.
///
/// # Errors
/// Those of the machine.
pub fn run<F: Flow>(
    world: &mut World,
    remote: &mut Remote,
    client: &Client,
    server: &mut dyn FnMut(&Request) -> Result<Answer, SendError>,
    mut flow: F,
    crash: Option<CrashAfter>,
) -> Result<Option<F::Output>, Error> {
    let mut step = world.step(client, &mut flow, Input::Start)?;
    let mut steps = 0_usize;
    loop {
        steps = steps.saturating_add(1);
        if crash == Some(CrashAfter(steps)) {
            return Ok(None);
        }
        step = match step {
            Step::Send(request) => match server(&request) {
                Ok(answer) => answer.with(|response| world.step(client, &mut flow, Input::Response(response)))?,
                Err(why) => world.step(client, &mut flow, Input::Failed(why))?,
            },
            Step::Wait(_) => world.step(client, &mut flow, Input::Woke)?,
            Step::Ask(_) => world.step(client, &mut flow, Input::Answer(Reply::Failed(AskError::NotSupported)))?,
            Step::Load(partition) => {
                world.store.tokens = remote.partition(&partition)?;
                world.step(client, &mut flow, Input::Loaded)?
            }
            Step::Commit(changes) => {
                // Elsewhere first: what this process forgets, the next one still finds.
                let written = if changes.is_durable() { remote.write(&changes.tokens) } else { Ok(()) };
                world.store.apply(changes);
                world.step(client, &mut flow, Input::Committed(written))?
            }
            Step::Done(done) => return Ok(Some(done)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sansal::client::Credential;
    use sansal::{ClientCredentials, Token, TokenSource};

    const AUTHORITY: &str = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555";
    const SCOPE: &str = "https://graph.microsoft.com/.default";

    /// A provider with metadata and a token endpoint; counts the tokens it issued.
    struct Server {
        issued: usize,
    }

    impl Server {
        fn answer(&mut self, request: &Request) -> Result<Answer, SendError> {
            if request.endpoint.path().ends_with("/.well-known/openid-configuration") {
                return Ok(Answer::json(200, &metadata()));
            }
            self.issued = self.issued.saturating_add(1);
            let token =
                format!(r#"{{"token_type":"Bearer","expires_in":3600,"access_token":"token-{}"}}"#, self.issued);
            Ok(Answer::json(200, &token))
        }
    }

    fn metadata() -> String {
        format!(
            r#"{{"issuer":"{AUTHORITY}/v2.0","authorization_endpoint":"{AUTHORITY}/oauth2/v2.0/authorize",
                "token_endpoint":"{AUTHORITY}/oauth2/v2.0/token"}}"#
        )
    }

    fn client(id: &str) -> Client {
        Client::builder(id).authority(AUTHORITY).credential(Credential::secret("s3cret")).build().unwrap()
    }

    /// One process: its memory is new, its tokens are wherever they are.
    fn process(remote: &mut Remote, server: &mut Server, id: &str, crash: Option<CrashAfter>) -> Option<Token> {
        let client = client(id);
        let flow = ClientCredentials::new(&[SCOPE]).unwrap().flow(&client).unwrap();
        run(&mut World::new().unwrap(), remote, &client, &mut |r| server.answer(r), flow, crash).unwrap()
    }

    #[test]
    fn the_next_process_finds_the_token() {
        let (mut remote, mut server) = (Remote::default(), Server { issued: 0 });
        let first = process(&mut remote, &mut server, "app", None).unwrap();
        let second = process(&mut remote, &mut server, "app", None).unwrap();
        assert_eq!((first.source(), first.stored()), (TokenSource::IdentityProvider, Ok(())));
        assert_eq!((second.source(), second.access_token()), (TokenSource::Cache, "token-1"));
        assert_eq!((server.issued, remote.commits), (1, 1), "a hit writes nothing");
    }

    #[test]
    fn a_delta_leaves_the_rest_alone() {
        let (mut remote, mut server) = (Remote::default(), Server { issued: 0 });
        let other = ("AccessToken".to_owned(), "somebody-else".to_owned());
        remote.rows.insert(other.clone(), r#"{"client_id":"b","environment":"idp.example","x":1}"#.to_owned());
        process(&mut remote, &mut server, "a", None).unwrap();
        let after_a = remote.rows.clone();
        process(&mut remote, &mut server, "b", None).unwrap();
        assert_eq!(
            remote.rows.get(&other).map(String::as_str),
            Some(r#"{"client_id":"b","environment":"idp.example","x":1}"#)
        );
        assert!(after_a.iter().all(|(place, row)| remote.rows.get(place) == Some(row)), "a's rows stand as they did");
        assert_eq!(server.issued, 2, "b does not get a's token");
    }

    #[test]
    fn a_partition_has_only_its_own_rows() {
        let (mut remote, mut server) = (Remote::default(), Server { issued: 0 });
        process(&mut remote, &mut server, "a", None).unwrap();
        process(&mut remote, &mut server, "b", None).unwrap();
        for (client_id, environment, tokens) in [
            ("a", "login.microsoftonline.com", 1),
            ("a", "login.windows.net", 1), // an alias of the same cloud
            ("a", "login.microsoftonline.us", 0),
            ("c", "login.microsoftonline.com", 0),
        ] {
            let wanted = Partition {
                client_id: client_id.to_owned(),
                environment: environment.to_owned(),
                owner: Owner::Application,
            };
            let cache = remote.partition(&wanted).unwrap().to_json();
            let text = core::str::from_utf8(&cache).unwrap();
            assert_eq!(text.matches("\"token-").count(), tokens, "{client_id} {environment}");
        }
    }

    #[test]
    fn a_commit_that_fails_does_not_lose_the_token() {
        for why in [CommitError::NotWritten, CommitError::Conflict] {
            let (mut remote, mut server) = (Remote::default(), Server { issued: 0 });
            remote.broken = Some(why);
            let token = process(&mut remote, &mut server, "app", None).unwrap();
            assert_eq!((token.access_token(), token.stored()), ("token-1", Err(why)));
            assert!(remote.rows.is_empty(), "nothing was written");
            remote.broken = None;
            let token = process(&mut remote, &mut server, "app", None).unwrap();
            assert_eq!((token.access_token(), token.stored()), ("token-2", Ok(())), "and so it is asked for again");
        }
    }

    #[test]
    fn a_crash_anywhere_leaves_all_or_nothing() {
        let mut crashes = 0;
        for after in 1.. {
            let (mut remote, mut server) = (Remote::default(), Server { issued: 0 });
            let done = process(&mut remote, &mut server, "app", Some(CrashAfter(after)));
            if done.is_some() {
                break;
            }
            crashes += 1;
            let written = remote.commits;
            let issued = server.issued;
            assert_eq!(remote.rows.is_empty(), written == 0, "after step {after}");
            let next = process(&mut remote, &mut server, "app", None).unwrap();
            let source = if written == 0 { TokenSource::IdentityProvider } else { TokenSource::Cache };
            assert_eq!(next.source(), source, "after step {after}");
            assert_eq!(server.issued, if written == 0 { issued + 1 } else { issued }, "after step {after}");
        }
        // Load, GET, Commit, POST, and the Commit that nobody carried out: the token is gone, the next run asks again.
        assert!(crashes >= 5, "only {crashes} places to crash at");
    }
}
