//! Arguments as the recordings spell them: files, bytes, tuples, callables.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::bound::Reference;
use super::matching::matcher;
use super::outcome::Stop;

/// The objects with a `$` name that are no matchers in arguments.
pub const SPELLINGS: [&str; 9] =
    ["$file", "$path", "$bytes", "$tuple", "$set", "$callable", "$pop_auth_scheme", "$authority_builder", "$shared"];

/// An argument, read. Python's types are kept apart as far as they can matter.
#[derive(Clone, Debug, PartialEq)]
pub enum Argument {
    /// `None`, or not passed.
    None,
    /// A flag.
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Argument>),
    /// A tuple or a set: not what a list is to the reference.
    OtherSequence(Vec<Argument>),
    /// A dictionary.
    Map(Map<String, Value>),
    /// The path of a file.
    Path(PathBuf),
    /// A callable of the application.
    Callable(Map<String, Value>),
    /// A callable that stands for a person's browser.
    Browser,
    /// The arguments of an `AuthorityBuilder`.
    AuthorityBuilder(Map<String, Value>),
    /// The name of an object that applications share.
    Shared(String),
    /// A bound object, such as a flow that an earlier call began.
    Bound(Reference),
    /// The arguments of a `PopAuthScheme`.
    PopAuthScheme(Map<String, Value>),
}

/// Reads spelled arguments; knows where the certificates are.
#[derive(Clone, Debug)]
pub struct Spelling {
    certs: PathBuf,
}

impl Spelling {
    /// Certificates and keys lie in this folder.
    pub fn new(certs: &Path) -> Self {
        Self { certs: certs.to_path_buf() }
    }

    /// Reads one argument; references are resolved already.
    ///
    /// # Errors
    /// A spelling that breaks the format, or a file that is not there.
    pub fn read(&self, value: &Value) -> Result<Argument, Stop> {
        let list = |items: &Value| {
            let items = items.as_array().ok_or_else(|| Stop::malformed("a sequence that is not a list"))?;
            items.iter().map(|item| self.read(item)).collect::<Result<Vec<_>, _>>()
        };
        let text =
            |value: &Value| value.as_str().map(String::from).ok_or_else(|| Stop::malformed("a text was expected"));
        let map = |value: &Value| value.as_object().cloned().ok_or_else(|| Stop::malformed("an object was expected"));
        let members = match value {
            Value::Null => return Ok(Argument::None),
            Value::Bool(flag) => return Ok(Argument::Bool(*flag)),
            Value::Number(number) => return Ok(Argument::Number(number.clone())),
            Value::String(text) => return Ok(Argument::Text(text.clone())),
            Value::Array(_) => return list(value).map(Argument::List),
            Value::Object(members) => members,
        };
        Ok(match matcher(members) {
            None => Argument::Map(members.clone()),
            Some(("$file", name)) => Argument::Text(self.file(&text(name)?)?),
            Some(("$path", name)) => Argument::Path(self.path(&text(name)?)?),
            Some(("$bytes", digits)) => Argument::Bytes(unhex(&text(digits)?)?),
            Some(("$tuple" | "$set", items)) => Argument::OtherSequence(list(items)?),
            Some(("$callable", Value::String(name))) if name == "browser" => Argument::Browser,
            Some(("$callable", inner)) => Argument::Callable(map(inner)?),
            Some(("$authority_builder", inner)) => Argument::AuthorityBuilder(map(inner)?),
            Some(("$shared", name)) => Argument::Shared(text(name)?),
            Some(("$pop_auth_scheme", inner)) => Argument::PopAuthScheme(map(inner)?),
            Some((other, _)) => return Err(Stop::malformed(format!("{other} is not an argument"))),
        })
    }

    fn path(&self, name: &str) -> Result<PathBuf, Stop> {
        certificate_path(&self.certs, name).map_err(Stop::malformed)
    }

    fn file(&self, name: &str) -> Result<String, Stop> {
        let path = self.path(name)?;
        fs::read_to_string(&path).map_err(|why| Stop::malformed(format!("{}: {why}", path.display())))
    }
}

impl Argument {
    /// Python's truth.
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::None => false,
            Self::Bool(flag) => *flag,
            Self::Number(number) => number.as_f64() != Some(0.0),
            Self::Text(text) => !text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::List(items) | Self::OtherSequence(items) => !items.is_empty(),
            Self::Map(members) => !members.is_empty(),
            _ => true,
        }
    }

    /// A list of texts and nothing else.
    pub fn texts(&self) -> Option<Vec<&str>> {
        match self {
            Self::List(items) => items.iter().map(Self::text).collect(),
            _ => None,
        }
    }

    /// A text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Where a file that the recordings call `certs/NAME` lies.
///
/// # Errors
/// A name that leads elsewhere.
pub fn certificate_path(certs: &Path, name: &str) -> Result<PathBuf, String> {
    let plain = |name: &str| !name.is_empty() && name != ".." && !name.contains(['/', '\\']);
    match name.strip_prefix("certs/") {
        Some(name) if plain(name) => Ok(certs.join(name)),
        _ => Err(format!("{name:?} is not a file in certs/")),
    }
}

fn unhex(digits: &str) -> Result<Vec<u8>, Stop> {
    let bad = || Stop::malformed("$bytes is not hexadecimal");
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return Err(bad());
    }
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at.saturating_add(2))?, 16).ok();
    (0..digits.len()).step_by(2).map(|at| byte(at).ok_or_else(bad)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn spellings() {
        let spelling = Spelling::new(&crate::conformance::report::test_certs());
        let text = |text: &str| Argument::Text(text.into());
        let cases = [
            (json!("x"), Some(text("x"))),
            (json!(null), Some(Argument::None)),
            (json!(["x"]), Some(Argument::List(vec![text("x")]))),
            (json!({"$set": ["x"]}), Some(Argument::OtherSequence(vec![text("x")]))),
            (json!({"$bytes": "c3a4"}), Some(Argument::Bytes(vec![0xC3, 0xA4]))),
            (json!({"$bytes": "c3a"}), None),
            (json!({"$bytes": "zz"}), None),
            (
                json!({"$path": "certs/no-such-file"}),
                Some(Argument::Path(crate::conformance::report::test_certs().join("no-such-file"))),
            ),
            (json!({"$path": "certs/../x.pfx"}), None),
            (json!({"$file": "certs/no-such-file"}), None),
            (json!({"$file": "certs/../conformance"}), None),
            (json!({"$file": "/etc/passwd"}), None),
            (json!({"$any": "uuid"}), None),
        ];
        for (value, expected) in cases {
            assert_eq!(spelling.read(&value).ok(), expected, "{value}");
        }
    }
}
