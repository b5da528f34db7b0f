//! stub
use alloc::vec::Vec; use alloc::string::String; use crate::{time::UnixTime,error::Error,token::TokenResponse};
#[derive(Debug,Default)] pub struct TokenCache; 
#[derive(Debug)] pub struct TokenChange; 
#[derive(Debug)] pub struct Entry;
impl Entry{pub fn secret(&self)->&str{""} pub fn token_type(&self)->&str{""} pub fn expires_on(&self)->Option<UnixTime>{None} pub fn refresh_on(&self)->Option<UnixTime>{None}}
pub enum Scheme<'a>{Bearer,Bound{token_type:&'a str,key_id:&'a str}}
pub enum Found<'a>{Fresh(&'a Entry),Aging(&'a Entry),Expiring,Nothing}
pub struct Lookup<'a>{pub client_id:&'a str,pub environment:&'a str,pub realm:&'a str,pub home_account_id:Option<&'a str>,pub scopes:&'a [String],pub ext_cache_key:Option<&'a str>,pub scheme:Scheme<'a>}
pub struct TokenEvent<'a>{pub client_id:Option<&'a str>,pub scopes:&'a [&'a str],pub token_endpoint:&'a str,pub environment:Option<&'a str>,pub grant_type:&'a str,pub response:&'a TokenResponse,pub data:&'a [(&'a str,&'a str)],pub authority_type:Option<&'a str>,pub username:Option<&'a str>,pub local_account_id:Option<&'a str>,pub skip_account_creation:bool}
pub fn ext_cache_key<'a>(_d:impl Iterator<Item=(&'a str,&'a str)>+Clone)->Option<String>{None}
impl TokenCache{ pub fn find(&self,_l:&Lookup<'_>,_n:UnixTime)->Found<'_>{todo!()} pub fn apply(&mut self,_c:Vec<TokenChange>){} pub fn expired(&self,_n:UnixTime)->Vec<TokenChange>{todo!()} pub fn record(&self,_e:&TokenEvent<'_>,_n:UnixTime)->Result<Vec<TokenChange>,Error>{todo!()} pub fn remove_app_tokens(&self,_c:&str,_e:&[&str])->Vec<TokenChange>{todo!()}}
