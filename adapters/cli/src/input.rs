//! Files, standard input and the variables that an argument names.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use sansal_std::{Secret, SetupError};

use crate::failure::Failure;

/// Nothing that this program reads is longer.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Reads a file; `-` is standard input.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| Failure::from(SetupError::File { path: path.to_owned(), kind: error.kind() });
    let mut content = Vec::new();
    let limit = MAX_FILE.saturating_add(1);
    if path.as_os_str() == "-" {
        io::stdin().lock().take(limit).read_to_end(&mut content).map_err(failed)?;
    } else {
        fs::File::open(path).map_err(failed)?.take(limit).read_to_end(&mut content).map_err(failed)?;
    }
    match u64::try_from(content.len()) {
        Ok(length) if length <= MAX_FILE => Ok(content),
        _ => Err(Failure::usage(format_args!("{} is longer than 4 MiB", path.display()))),
    }
}

/// Makes a file that only its owner can read, and that was not there before.
pub(crate) fn new_private_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Reads a file with a token. A token is not taken as an argument, and one that was given as such is not repeated: arguments are
/// seen by every user of the machine.
pub(crate) fn token(path: &Path) -> Result<Secret, Failure> {
    let looks_like_one = path.to_str().is_some_and(|name| name.starts_with("ey") && name.matches('.').count() >= 2);
    if looks_like_one && !path.exists() {
        return Err(Failure::usage(
            "this is a token, not a file: give it on standard input, for arguments are seen by every user of the machine",
        ));
    }
    let text = Secret::new(text(path)?);
    if text.expose().trim().is_empty() {
        return Err(Failure::usage("there is no token: give it on standard input or in a file"));
    }
    Ok(text)
}

/// Reads a text file.
pub(crate) fn text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(bytes(path)?).map_err(|_| Failure::usage(format_args!("{} is not text", path.display())))
}

/// A secret from a file, without the line break at its end, or from a variable. `what` names it in errors.
pub(crate) fn secret(what: &str, file: Option<&Path>, variable: Option<&str>) -> Result<Option<Secret>, Failure> {
    let found = match (file, variable) {
        (Some(path), _) => {
            let whole = Secret::new(text(path)?);
            Secret::from(whole.expose().trim_end_matches(['\r', '\n']))
        }
        (None, Some(name)) => Secret::new(self::variable(name)?),
        (None, None) => return Ok(None),
    };
    if found.is_empty() {
        return Err(Failure::usage(format_args!("the {what} is empty")));
    }
    Ok(Some(found))
}

#[expect(clippy::disallowed_methods, reason = "the user names the variable in an argument")]
fn variable(name: &str) -> Result<String, Failure> {
    std::env::var(name).map_err(|error| match error {
        std::env::VarError::NotPresent => Failure::usage(format_args!("the environment variable {name} is not set")),
        std::env::VarError::NotUnicode(_) => {
            Failure::usage(format_args!("the environment variable {name} is not UTF-8"))
        }
    })
}
