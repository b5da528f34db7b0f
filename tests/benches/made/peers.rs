//! MSAL Python and msal-node beside us, where `tests/bench/peers --install` has fetched them.

use std::path::Path;
use std::process::{Command, Stdio};

/// Where a peer says what we ask too: the program, how its line begins, what stands before the number, our name, and ns
/// for each of its units.
const SAME: [(&str, &str, &str, &str, f64); 16] = [
    ("MSAL Python", "app token, N scopes", "hit", "hit", 1.0),
    ("MSAL Python", "user token, scope subset", "hit", "subset hit", 1.0),
    ("MSAL Python", "miss", "miss", "miss", 1.0),
    ("MSAL Python", "app token, N tenants", "store", "insert", 1e3),
    ("MSAL Python", "get_accounts()", "list", "list accounts", 1.0),
    ("MSAL Python", "get_accounts(username)", "one", "account by user name", 1.0),
    ("MSAL Python", "whole-cache serialize", "write", "serialize", 1.0),
    ("MSAL Python", "whole-cache serialize", "deserialize", "load", 1.0),
    ("MSAL Python", "acquire", "acquire", "acquire", 1.0),
    ("msal-node", "app token, N scopes", "", "hit", 1.0),
    ("msal-node", "user token, subset", "", "subset hit", 1.0),
    ("msal-node", "acquire", "", "acquire", 1.0),
    ("msal-node", "getAllAccounts", "", "list accounts", 1.0),
    ("msal-node", "serialize", "", "serialize", 1.0),
    ("msal-node", "merge", "", "merge", 1.0),
    ("msal-node", "deserialize", "", "load", 1.0),
];

/// MSAL Python and msal-node with the same questions, at sizes that they can bear, and how often ours fits into theirs.
/// `serialize` and `load` are for the whole cache, whose entries are not the same (ours here: access tokens of 64 bytes;
/// theirs: a user's four entries each).
pub(crate) fn peers(sizes: &[usize], ours: &[(&str, usize, f64)]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/peers");
    let sizes: Vec<_> = sizes.iter().filter(|size| **size <= 10_000).map(ToString::to_string).collect();
    let output = match Command::new(&script).args(sizes).stderr(Stdio::inherit()).output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
        why => {
            let why = why.map(|output| output.status);
            return println!("the peers were left out ({why:?}); tests/bench/peers --install fetches them");
        }
    };
    print!("{output}");
    println!("{:<12} {:<22} {:>8} {:>14} {:>12} {:>10}", "", "", "tokens", "theirs, ns", "ours, ns", "ratio");
    let mut peer = "";
    for line in output.lines() {
        if let Some(same) = SAME.iter().find(|same| line.starts_with(same.0)) {
            peer = same.0;
        }
        for (_, _, before, what, unit) in SAME.iter().filter(|same| same.0 == peer && line.starts_with(same.1)) {
            let rest = line.split_once("N=").map_or("", |(_, rest)| rest);
            let mut words = rest.split_whitespace();
            let size: usize = words.next().unwrap_or("0").parse().unwrap_or(0);
            if !before.is_empty() {
                words.by_ref().find(|word| word == before);
            }
            let theirs: Option<f64> = words.next().and_then(|word| word.parse().ok());
            let mine = ours.iter().find(|(name, at, _)| name == what && *at == size);
            if let (Some(theirs), Some((_, _, mine))) = (theirs.map(|number| number * unit), mine) {
                println!("{peer:<12} {what:<22} {size:>8} {theirs:>14.0} {mine:>12.0} {:>9.0}x", theirs / mine);
            }
        }
    }
}
