//! Bodies of the fuzz targets of this adapter, each stating a property. `fuzz/` calls them, an ordinary test replays the corpora.

#![expect(clippy::panic, reason = "a property that does not hold is what a fuzzer looks for")]

use sansal::Secret;
use sansal::authorization::ResponseMode;

pub use crate::pfx::fuzzing::pkcs12;

use crate::interactive::{Expected, MAX_BODY, MAX_HEAD, Reading, judge, read};

/// A fuzz target: a name and the property it holds input against.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, by the names of the folders in `fuzz/corpus`.
pub const TARGETS: &[Target] = &[("listener_request", listener_request), ("pkcs12", pkcs12)];

/// A request is read the same whole and byte by byte, in its bounds; and only the right state to the right host is an
/// answer. The first byte chooses the response mode.
pub fn listener_request(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let whole = read(bytes);
    // Every byte of a short request, some of a long one.
    let step = (bytes.len() / 512).max(1);
    for end in (0..bytes.len()).step_by(step) {
        let prefix = read(bytes.get(..end).unwrap_or_default());
        assert!(prefix == Reading::Partial || prefix == whole, "{end} bytes: {prefix:?}, all: {whole:?}");
    }
    let Reading::Whole(request) = whole else { return };
    assert!(request.body.len() <= MAX_BODY && request.path.len() <= MAX_HEAD);
    let mode = if choice & 1 == 0 { ResponseMode::FormPost } else { ResponseMode::Query };
    let state = Secret::from("the-state");
    let Ok(answer) = judge(&request, Expected { port: 4000, state: &state, mode }) else { return };
    assert!(["localhost:4000", "127.0.0.1:4000", "[::1]:4000"].contains(&request.host.to_ascii_lowercase().as_str()));
    assert_eq!(request.path, "/");
    assert_eq!(request.method, if mode == ResponseMode::FormPost { "POST" } else { "GET" });
    let Some(fields) = sansal::http::form::decode(answer.parameters.expose()) else {
        panic!("an answer that is not a form")
    };
    let values = |name: &str| fields.iter().filter(|(n, _)| n == name).map(|(_, v)| v.expose()).collect::<Vec<_>>();
    assert_eq!(values("state"), ["the-state"]);
    assert!(values("code").len() <= 1 && values("error").len() <= 1);
    assert_eq!(answer.error.is_some(), !values("error").is_empty());
    assert!(answer.error.is_some() || values("code").len() == 1);
}
