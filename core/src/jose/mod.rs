//! stub
pub mod assertion {
    use crate::{secret::Secret, time::UnixTime, json::Members};
    pub fn signing_input(_h:&super::AssertionHeader,_c:&str,_a:&str,_n:UnixTime,_j:&str,_e:Option<&Members>)->alloc::string::String{todo!()}
    pub fn complete(_s:&str,_sig:&[u8])->Secret{todo!()}
}
#[derive(Debug)]
pub struct AssertionHeader{pub alg:crate::key::Algorithm,pub x5t:Option<[u8;20]>,pub x5t_s256:Option<[u8;32]>,pub x5c:alloc::vec::Vec<alloc::string::String>}
