//! A client assertion for the request: one that is held, one signed here, or one that the holder of the key signs (RFC 7523 s2.2).

use alloc::string::ToString;
use alloc::vec::Vec;

use super::{Authentication, Exchange, State, Stepped};
use crate::client::{AuthorityKind, Client, KeyCredential, Signer};
use crate::entropy::uuid_v4;
use crate::error::Config;
use crate::flow::{Ask, Cx, Step};
use crate::jose::assertion;
use crate::json;
use crate::keys::AssertionKey;
use crate::secret::Secret;
use crate::store::{Fact, HeldAssertion};
use crate::time::UnixTime;

/// Seconds an assertion is used again: it lives for 600 (section 1.6 of the reference).
const REUSE: u64 = 540;

impl Exchange {
    /// An assertion that is held, one signed here, or a question to whoever holds the key.
    pub(super) fn sign(&mut self, cx: &mut Cx<'_>, key: &KeyCredential) -> Stepped {
        let now = cx.clock.wall.ok_or(Config::ClockUnknown)?;
        let header = key.assertion_header(cx.client.authority().is_adfs());
        let audience = self.target.audience.to_string();
        let claims = cx.client.client_claims();
        let claims_json = claims.map(json::Members::to_json);
        let said = [
            Some(cx.client.client_id().as_bytes()),
            Some(audience.as_bytes()),
            Some(header.alg.as_str().as_bytes()),
            claims_json.as_deref().map(Vec::as_slice),
        ];
        let held = cx.store.memory.key.assertion(said.into_iter().chain(cx.client.credential().inputs()));
        // A server that takes an assertion only once has seen it already when it asks for its nonce (RFC 7523 s3).
        if self.nonce.is_none()
            && is_used_again(cx.client)
            && let Some(text) = cx.store.memory.assertion(&held, cx.clock.mono, now)
        {
            return self.prove(cx, Authentication::Assertion(text.clone()));
        }
        let jti = uuid_v4(cx.entropy)?;
        let signing_input = assertion::signing_input(&header, cx.client.client_id(), &audience, now, &jti, claims);
        match key.signer() {
            #[cfg(feature = "rsa")]
            Signer::Software(rsa) => {
                let signature = rsa.sign(header.alg, signing_input.as_bytes(), cx.entropy)?;
                self.signed(cx, &signing_input, &signature, held, now)
            }
            Signer::External(name) => {
                let message = signing_input.clone().into_bytes();
                self.state = State::Signing { signing_input: Secret::new(signing_input), key: held, now };
                Ok(Step::Ask(Ask::Sign { key: name.clone(), alg: header.alg, message }))
            }
        }
    }

    pub(super) fn signed(
        &mut self,
        cx: &mut Cx<'_>,
        signing_input: &str,
        signature: &[u8],
        key: AssertionKey,
        issued: UnixTime,
    ) -> Stepped {
        let text = assertion::complete(signing_input, signature);
        if is_used_again(cx.client) {
            let held = HeldAssertion { text: text.clone(), issued };
            self.memory.push(Fact::Assertion(held).for_seconds(key.as_bytes(), cx.clock.mono, REUSE));
        }
        self.prove(cx, Authentication::Assertion(text))
    }
}

/// Whether an assertion may be sent a second time. A provider may refuse a `jti` that it has seen, and many do (OpenID Connect Core s9,
/// RFC 7523 s3); Microsoft's take it until it ends.
fn is_used_again(client: &Client) -> bool {
    client.authority().kind() != AuthorityKind::Oidc || client.settings().reuse_assertions_everywhere
}
