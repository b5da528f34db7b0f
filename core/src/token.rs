//! stub
use crate::{json::Members,error::Error,time::UnixTime};
#[derive(Debug)]
pub struct TokenResponse(Members);
impl TokenResponse{
 pub fn from_members(m:Members)->Self{Self(m)}
 pub fn members(&self)->&Members{&self.0}
 pub fn access_token(&self)->Option<&str>{self.0.text("access_token")}
 pub fn scope(&self)->Option<&str>{self.0.text("scope")}
 pub fn expires_in(&self,_n:UnixTime)->Result<u64,Error>{todo!()}
 pub fn refresh_in(&self)->Result<Option<u64>,Error>{todo!()}
}
