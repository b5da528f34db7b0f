//! `WWW-Authenticate` challenges, RFC 9110 s11.6.1.
