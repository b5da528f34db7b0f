//! The last of the pipeline: an answer is checked, and becomes a token and what is written into the cache (section 5.6 of the reference).

use alloc::vec::Vec;

use super::Acquire;
use crate::accept::accept;
use crate::cache::{TokenChange, TokenEvent};
use crate::error::{Config, Error, IdTokenError};
use crate::flow::Cx;
use crate::grant::Grant;
use crate::issued::Token;
use crate::jose::id_token;
use crate::metadata::ProviderMetadata;
use crate::secret::Secret;
use crate::source::{Recording, Source};
use crate::token::TokenResponse;

impl<S: Source> Acquire<S> {
    pub(super) fn store(
        &self,
        cx: &Cx<'_>,
        metadata: &ProviderMetadata,
        grant: &Grant,
        mut response: TokenResponse,
    ) -> Result<(Token, Vec<TokenChange>), Error> {
        let now = cx.clock.wall.ok_or(Config::ClockUnknown)?;
        if let Some(binding) = &self.wanted.binding {
            binding.check(&response)?;
        }
        accept(cx, metadata, &self.source.expected(), &response)?;
        // While there is one copy of everything: tokens are large.
        let claims = response.id_token().map(id_token::claims).transpose().map_err(IdTokenError::from)?;
        let mut changes = Vec::new();
        let all = cx.client.settings().all_tokens_in_results;
        let redeemed = self.source.recording().redeemed;
        // Where the old one lies, and not where a first one would.
        let rotated = redeemed.and_then(|_| response.take_refresh_token());
        if let (Some(entry), Some(rotated)) = (redeemed, &rotated) {
            changes.push(cx.store.tokens.update_refresh_token(entry, rotated, now));
        }
        let taken = if all { None } else { response.take_refresh_token() };
        self.record(cx, metadata, grant, &response, taken, &mut changes)?;
        if let Some(rotated) = rotated.filter(|_| all) {
            response.give_back_refresh_token(&rotated);
        }
        // Last of all, since it takes the answer over: tokens are large.
        Ok((self.wanted.labelled(cx, Token::issued(response, claims, now, all)?), changes))
    }

    fn record(
        &self,
        cx: &Cx<'_>,
        metadata: &ProviderMetadata,
        grant: &Grant,
        response: &TokenResponse,
        refresh_token: Option<Secret>,
        changes: &mut Vec<TokenChange>,
    ) -> Result<(), Error> {
        let now = cx.clock.wall.ok_or(Config::ClockUnknown)?;
        let strict = !cx.client.settings().lenient_answers;
        let account = self.wanted.home_account_id.as_deref().filter(|_| strict);
        let Recording { username, redeemed } = self.source.recording();
        // A user's token whose account nobody named would lie where the application's own tokens are.
        if strict
            && account.is_none()
            && !grant.is_of_application()
            && self.wanted.data.is_empty()
            && !names_account(response)?
        {
            return Ok(());
        }
        let scopes = response.granted(grant.scopes.list(), cx.client.settings().lenient_answers);
        let data: Vec<(&str, &str)> = self.wanted.data().collect();
        let event = TokenEvent {
            client_id: Some(cx.client.client_id()),
            scopes: &scopes.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
            // Where it lies; it may come from a region, or from an endpoint for clients with certificates.
            token_endpoint: None,
            realm: Some(&metadata.realm),
            environment: Some(cx.client.authority().host()),
            grant_type: grant.grant_type(),
            response,
            data: &data,
            authority_type: None,
            home_account_id: account,
            username,
            local_account_id: None,
            skip_account_creation: redeemed.is_some(),
            scheme: self.wanted.scheme(),
        };
        let recorded = match self.source.is_extended() {
            true => cx.store.tokens.record_taken(&event, refresh_token, now)?,
            false => cx.store.tokens.record_plain(&event, refresh_token, now)?,
        };
        append(changes, recorded);
        Ok(())
    }
}

/// Puts changes behind others. As a rule there are none, and no second list is made.
pub(super) fn append(changes: &mut Vec<TokenChange>, mut more: Vec<TokenChange>) {
    match changes.is_empty() {
        true => *changes = more,
        false => changes.append(&mut more),
    }
}

/// Whether an answer says whose it is.
fn names_account(response: &TokenResponse) -> Result<bool, Error> {
    Ok(response.id_token().is_some() || response.client_info()?.is_some())
}
