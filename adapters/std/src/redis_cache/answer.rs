//! What the script that reads answers.

use redis::Value;

use super::known::Answered;

/// What the script that reads answers.
pub(super) struct Answer {
    /// The latest version of all.
    pub(super) version: u64,
    /// Up to which version each feed was read.
    pub(super) reached: Vec<u64>,
    /// Feed (none, where the bucket was asked for), name and rows.
    pub(super) buckets: Vec<(String, String, Vec<Answered>)>,
}

impl Answer {
    pub(super) fn read(value: Value) -> Option<Self> {
        let Value::Array(parts) = value else { return None };
        let mut parts = parts.into_iter();
        let version = number(&parts.next()?)?;
        let Value::Array(reached) = parts.next()? else { return None };
        let reached = reached.iter().map(number).collect::<Option<_>>()?;
        let bucket = |part| {
            let Value::Array(items) = part else { return None };
            let mut items = items.into_iter();
            let (feed, name) = (text(items.next()?)?, text(items.next()?)?);
            let mut rows = Vec::new();
            while let Some(name) = items.next() {
                let version = number(&items.next()?)?;
                let value = match items.next()? {
                    Value::Nil => None,
                    Value::BulkString(bytes) => Some(bytes),
                    _ => return None,
                };
                rows.push((text(name)?, version, value));
            }
            Some((feed, name, rows))
        };
        let buckets = parts.map(bucket).collect::<Option<_>>()?;
        Some(Self { version, reached, buckets })
    }
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        _ => None,
    }
}
