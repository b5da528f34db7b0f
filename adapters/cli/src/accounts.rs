//! `sansal accounts` and `sansal logout`: who is signed in on this machine, and the end of that.

use clap::Args;
use sansal_std::sansal::Account;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::known::{Cache, name};
use crate::output;

/// Whom to list.
#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    cache: Cache,
    /// Print JSON on standard output, and nothing else there.
    #[arg(long)]
    json: bool,
}

/// Whom to sign out.
#[derive(Args)]
pub(crate) struct Leave {
    /// This one: the user's name, or the home account id. Needed where several are signed in.
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    account: Option<String>,
    /// Everybody.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    cache: Cache,
    /// Print JSON on standard output, and nothing else there.
    #[arg(long)]
    json: bool,
}

pub(crate) fn list(arguments: &List) -> Result<(), Failure> {
    let known = arguments.cache.read()?;
    let accounts = known.accounts(None);
    if arguments.json {
        return output::print_json(&accounts.into_iter().map(shown).collect());
    }
    if accounts.is_empty() {
        output::note("nobody is signed in");
    }
    accounts.into_iter().try_for_each(|account| {
        let tenant = account.realm().map(|realm| format!("/{realm}")).unwrap_or_default();
        let line = format!("{}  {}{tenant}  {}", name(account), account.environment(), account.home_account_id());
        output::print(&output::one_line(&line))
    })
}

pub(crate) fn leave(arguments: &Leave) -> Result<(), Failure> {
    let known = arguments.cache.read()?;
    let leaving = match arguments.all {
        true => known.accounts(None),
        false => {
            let one = known.choose(None, arguments.account.as_deref())?;
            vec![one.ok_or_else(|| Failure::person("nobody is signed in"))?]
        }
    };
    known.forget(&leaving)?;
    if arguments.json {
        let leaving: Vec<Value> = leaving.into_iter().map(shown).collect();
        return output::print_json(&json!({ "signed_out": leaving }));
    }
    leaving.into_iter().try_for_each(|account| {
        output::print(&output::one_line(&format!("{} is signed out here; the browser's session stays", name(account))))
    })
}

/// An account as JSON, in MSAL's names.
pub(crate) fn shown(account: &Account) -> Value {
    json!({
        "username": account.username(),
        "home_account_id": account.home_account_id(),
        "local_account_id": account.local_account_id(),
        "environment": account.environment(),
        "realm": account.realm(),
    })
}
