//! An authorization code: brought back by the caller's browser, or by one that the host opens (RFC 6749 s4.1).

use super::Source;
use crate::accept::{Expected, Nonce};
use crate::authorization::{AuthCodeFlow, AuthorizationRequest, AuthorizationResponse};
use crate::client::Client;
use crate::error::Error;
use crate::flow::{Answer, Ask, Cx, Input, Step};
use crate::grant::{Grant, GrantKind};
use crate::metadata::ProviderMetadata;
use crate::secret::Secret;

/// A flow whose answer is in hand.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub struct Code {
    flow: AuthCodeFlow,
    response: AuthorizationResponse,
    claims: Option<Secret>,
}

impl Code {
    pub(crate) fn new(flow: AuthCodeFlow, response: AuthorizationResponse, claims: Option<Secret>) -> Self {
        Self { flow, response, claims }
    }
}

impl Source for Code {
    fn check(&self, _: &Client) -> Result<(), Error> {
        Ok(())
    }

    fn obtain(&mut self, _: &mut Cx<'_>, metadata: &ProviderMetadata, input: Input<'_>) -> Result<Step<Grant>, Error> {
        let Input::Start = input else { return Err(Error::OutOfTurn) };
        grant(&self.flow, metadata, &self.response, self.claims.clone()).map(Step::Done)
    }

    fn expected(&self) -> Expected<'_> {
        expected(&self.flow)
    }
}

/// A flow that opens a browser and waits for it.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub struct Browser {
    request: AuthorizationRequest,
    claims: Option<Secret>,
    flow: Option<AuthCodeFlow>,
}

impl Browser {
    pub(crate) fn new(request: AuthorizationRequest, claims: Option<Secret>) -> Self {
        Self { request, claims, flow: None }
    }
}

impl Source for Browser {
    fn check(&self, _: &Client) -> Result<(), Error> {
        Ok(())
    }

    fn waits_for_a_person(&self) -> bool {
        true
    }

    fn obtain(&mut self, cx: &mut Cx<'_>, metadata: &ProviderMetadata, input: Input<'_>) -> Result<Step<Grant>, Error> {
        match (&self.flow, input) {
            (None, Input::Start) => {
                let flow = self.request.begin(cx.client, metadata, cx.entropy)?;
                let ask = Ask::OpenBrowser { url: flow.auth_uri().clone(), redirect_uri: flow.redirect_uri().into() };
                self.flow = Some(flow);
                Ok(Step::Ask(ask))
            }
            (Some(flow), Input::Answer(Answer::Redirected(form))) => {
                let response = AuthorizationResponse::parse(form)?;
                grant(flow, metadata, &response, self.claims.clone()).map(Step::Done)
            }
            (Some(_), Input::Answer(Answer::Failed(why))) => Err(Error::Unanswered { ask: "browser", why }),
            _ => Err(Error::OutOfTurn),
        }
    }

    fn expected(&self) -> Expected<'_> {
        self.flow.as_ref().map(expected).unwrap_or_default()
    }
}

fn grant(
    flow: &AuthCodeFlow,
    metadata: &ProviderMetadata,
    response: &AuthorizationResponse,
    claims: Option<Secret>,
) -> Result<Grant, Error> {
    let kind = GrantKind::AuthorizationCode {
        code: flow.code(metadata, response)?.clone(),
        redirect_uri: flow.redirect_uri.clone(),
        code_verifier: Some(flow.code_verifier.clone()),
    };
    let routing = response.home_account_id().map(|id| Secret::new(alloc::format!("Oid:{id}")));
    Ok(Grant::new(kind, flow.scopes.clone(), claims).routed(routing))
}

fn expected(flow: &AuthCodeFlow) -> Expected<'_> {
    Expected { nonce: Some(Nonce::Hashed(&flow.nonce)), max_age: flow.max_age, home_account_id: None }
}
