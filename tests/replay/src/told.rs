//! The digest of a replay: everything that the core asked of its host and gave out, in order.

use alloc::format;
use alloc::string::String;
use core::fmt;

use sansal::Token;
use sansal::cache::TokenCache;
use sansal::error::Error;
use sansal::flow::{Ask, Step};
use sansal::http::Request;
use sha2::{Digest, Sha256};

/// Hashes what a core did. Each part goes in with its name and its length, so that none can flow into the next.
#[derive(Clone, Default)]
pub struct Told {
    hash: Sha256,
    steps: usize,
}

impl Told {
    fn part(&mut self, name: &str, value: &[u8]) {
        self.hash.update(format!("{name} {} ", value.len()));
        self.hash.update(value);
        self.hash.update("\n");
    }

    fn shown(&mut self, name: &str, value: &impl fmt::Debug) {
        self.part(name, format!("{value:?}").as_bytes());
    }

    /// A client was built, or why not.
    pub fn built(&mut self, why_not: Option<&Error>) {
        self.shown("built", &why_not);
    }

    /// What a machine answered. What it gave out at its end is told by itself.
    pub fn step<T>(&mut self, step: &Result<Step<T>, Error>) {
        self.steps = self.steps.saturating_add(1);
        match step {
            Ok(Step::Send(request)) => self.request(request),
            Ok(Step::Wait(span)) => self.shown("wait", span),
            Ok(Step::Ask(Ask::Assertion { client_id, token_endpoint, fmi_path })) => {
                self.shown("assertion", &(client_id, token_endpoint, fmi_path));
            }
            Ok(Step::Ask(ask)) => self.shown("ask", ask),
            Ok(Step::Load(partition)) => self.part("load", partition.client_id.as_bytes()),
            Ok(Step::Commit(changes)) => {
                self.shown("commit", &(changes.is_durable(), changes.is_hit()));
                for change in &changes.tokens {
                    self.part(change.section(), change.key().as_bytes());
                    self.part("entry", &change.entry().map(|entry| entry.to_json().to_vec()).unwrap_or_default());
                }
            }
            Ok(Step::Done(_)) => self.part("done", b""),
            Err(error) => self.shown("failed", error),
        }
    }

    fn request(&mut self, request: &Request) {
        self.part(request.method.as_str(), request.endpoint.as_str().as_bytes());
        for header in &request.headers {
            self.part(header.name, header.value.expose().as_bytes());
        }
        if let Some(body) = &request.body {
            self.part(body.content_type, body.bytes.expose());
        }
        self.shown("limits", &(request.response_limit, request.attempt_timeout));
        self.shown("way", &(request.server, &request.client_cert, request.proxy, request.repeat));
    }

    /// A token that was given out.
    pub fn token(&mut self, token: &Token) {
        self.shown("token", &(token.source(), token.expires_on(), token.refresh_on()));
        self.part("members", &token.members().to_json());
    }

    /// All tokens at the end.
    pub fn cache(&mut self, cache: &TokenCache) {
        self.part("cache", &cache.to_json());
    }

    /// Another digest: those of several replays become one.
    pub fn add(&mut self, name: &str, other: Self) {
        self.steps = self.steps.saturating_add(other.steps);
        self.part(name, &other.hash.finalize());
    }

    /// How many steps went in, and their digest in hexadecimal.
    pub fn end(self) -> (usize, String) {
        (self.steps, self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Told").field("steps", &self.steps).finish_non_exhaustive()
    }
}
