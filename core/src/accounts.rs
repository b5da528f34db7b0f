//! Accounts: who is signed in here, and signing out on this machine (section 4.12 of the reference).

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem;

use crate::account::Account;
use crate::cache::ACCOUNT_TYPES;
use crate::client::{AliasSource, aliases};
use crate::discover::DiscoverAliases;
use crate::error::{CommitError, Error};
use crate::flow::{Cx, Flow, Input, Step, ready};
use crate::store::{Changes, Owner, Partition};

/// Lists the accounts at the client's authority, or at another name of it (`get_accounts` of MSAL).
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub struct GetAccounts {
    username: Option<String>,
    cloud_shell: bool,
    state: Listing,
}

#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
enum Listing {
    Begin,
    Loading,
    Asking(DiscoverAliases),
    Spent,
}

impl GetAccounts {
    /// All of them.
    pub fn new() -> Self {
        Self { username: None, cloud_shell: false, state: Listing::Begin }
    }

    /// Those with this name, in any case; an empty one leaves all.
    #[must_use]
    pub fn username(mut self, username: &str) -> Self {
        self.username = Some(username.to_string());
        self
    }

    /// Also the account of Azure Cloud Shell: for programs that run there.
    #[must_use]
    pub fn cloud_shell(mut self, inside: bool) -> Self {
        self.cloud_shell = inside;
        self
    }

    fn at(&self, cx: &Cx<'_>, environments: &[&str]) -> Vec<Account> {
        let mut types = Vec::from(ACCOUNT_TYPES);
        if self.cloud_shell {
            types.push("CLOUDSHELL");
        }
        let found = cx.store.tokens.accounts(environments, self.username.as_deref(), &types);
        found.into_iter().map(Account::from_entry).collect()
    }

    fn is_anybody_at(cx: &Cx<'_>, shell: bool) -> bool {
        !Self { username: None, cloud_shell: shell, state: Listing::Spent }
            .at(cx, &[cx.client.authority().host()])
            .is_empty()
    }
}

impl Default for GetAccounts {
    fn default() -> Self {
        Self::new()
    }
}

impl Flow for GetAccounts {
    type Output = Vec<Account>;

    fn step(&mut self, cx: &mut Cx<'_>, mut input: Input<'_>) -> Result<Step<Vec<Account>>, Error> {
        let own = cx.client.authority().host();
        loop {
            match (mem::replace(&mut self.state, Listing::Spent), input) {
                (Listing::Begin, Input::Start) => {
                    self.state = Listing::Loading;
                    return Ok(Step::Load(everybody(cx)));
                }
                (Listing::Loading, Input::Loaded) => match cx.client.settings().aliases {
                    AliasSource::BuiltIn => {
                        let hosts: Vec<&str> = core::iter::once(own).chain(aliases(own).iter().copied()).collect();
                        return Ok(Step::Done(self.at(cx, &hosts)));
                    }
                    AliasSource::Discovered if Self::is_anybody_at(cx, self.cloud_shell) => {
                        return Ok(Step::Done(self.at(cx, &[own])));
                    }
                    AliasSource::Discovered => {
                        let deadline = cx.clock.mono.after(cx.client.settings().operation_budget);
                        self.state = Listing::Asking(DiscoverAliases::within(deadline));
                    }
                },
                (Listing::Asking(mut discover), input) => {
                    let step = discover.step(cx, input)?;
                    self.state = Listing::Asking(discover);
                    let others: Vec<String> = ready!(step);
                    self.state = Listing::Spent;
                    return Ok(Step::Done(self.at(cx, &others.iter().map(String::as_str).collect::<Vec<_>>())));
                }
                _ => return Err(Error::OutOfTurn),
            }
            input = Input::Start;
        }
    }
}

/// Signs an account out on this machine: its tokens leave the cache, refresh tokens of the client's family too
/// (`remove_account` of MSAL). The browser's session with the server stays. Done with whether it could be persisted.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub struct RemoveAccount {
    account: Account,
    state: Removing,
}

#[derive(Clone, Copy, Debug)]
enum Removing {
    Begin,
    Loading,
    Committing,
    Spent,
}

impl RemoveAccount {
    /// This account.
    pub fn new(account: &Account) -> Self {
        Self { account: account.clone(), state: Removing::Begin }
    }
}

impl Flow for RemoveAccount {
    type Output = Result<(), CommitError>;

    fn step(&mut self, cx: &mut Cx<'_>, input: Input<'_>) -> Result<Step<Self::Output>, Error> {
        match (mem::replace(&mut self.state, Removing::Spent), input) {
            (Removing::Begin, Input::Start) => {
                self.state = Removing::Loading;
                let owner = Owner::Account(self.account.home_account_id().to_string());
                Ok(Step::Load(Partition { owner, ..everybody(cx) }))
            }
            (Removing::Loading, Input::Loaded) => {
                let own = self.account.environment();
                let others = match cx.client.settings().aliases {
                    AliasSource::BuiltIn => aliases(own),
                    AliasSource::Discovered => &[],
                };
                let hosts = core::iter::once(own).chain(others.iter().copied().filter(|host| *host != own));
                let id = self.account.home_account_id();
                let remove = |host| cx.store.tokens.remove_account(cx.client.client_id(), host, id);
                let mut tokens: Vec<_> = hosts.flat_map(remove).collect();
                // Tokens that have ended go as well, whosever they are (G-41).
                tokens.extend(cx.clock.wall.map(|now| cx.store.tokens.expired(now)).unwrap_or_default());
                self.state = Removing::Committing;
                Ok(Step::Commit(Changes { tokens, memory: Vec::new() }))
            }
            (Removing::Committing, Input::Committed(stored)) => Ok(Step::Done(stored)),
            _ => Err(Error::OutOfTurn),
        }
    }
}

fn everybody(cx: &Cx<'_>) -> Partition {
    Partition {
        client_id: cx.client.client_id().to_string(),
        environment: cx.client.authority().host().to_string(),
        owner: Owner::Everyone,
    }
}
