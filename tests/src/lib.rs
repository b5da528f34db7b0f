//! Everything about sansal that is tested from outside: recorded conversations, real servers, hosts.

pub mod conformance;
