//! `sansal`: tokens of the Microsoft identity platform and any OpenID Connect provider, from the command line.

mod accounts;
mod application;
mod azure_cli;
mod cache;
mod cache_key;
mod certs;
mod completions;
mod dates;
mod decode;
mod demo;
mod failure;
mod input;
mod known;
mod login;
mod managed;
mod output;
mod proofs;
mod qr;
mod token;
mod verify;
mod waiting;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sansal_std::AuthScheme;

/// Tokens of the Microsoft identity platform and any OpenID Connect provider.
#[derive(Parser)]
#[command(name = "sansal", version, about, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows sign-ins by certificate, browser and device code, step by step, at a simulated platform in this process.
    Demo,
    /// Signs a person in, in the browser or with a code at another device.
    #[command(after_help = login::NOTES)]
    Login(Box<login::Arguments>),
    /// Gets a token and prints it: for a user who is signed in, for an application itself, or for a managed identity.
    #[command(after_help = token::NOTES)]
    Token(Box<token::Arguments>),
    /// Prints the Authorization header for a request that is signed: a proof-of-possession token in a signed HTTP request.
    #[command(after_help = proofs::NOTES, override_usage = "sansal pop <METHOD> <URL> --scope <SCOPE>... [OPTIONS]")]
    Pop(Box<proofs::Arguments>),
    /// Prints the Authorization and DPoP headers for a request (RFC 9449).
    #[command(after_help = proofs::NOTES, override_usage = "sansal dpop <METHOD> <URL> --scope <SCOPE>... [OPTIONS]")]
    Dpop(Box<proofs::Arguments>),
    /// Checks a token: signature, issuer, audience, dates. Prints its claims, or says which check it failed.
    #[command(override_usage = "sansal verify [FILE] --audience <AUD>... [OPTIONS]")]
    Verify(verify::Arguments),
    /// Lists who is signed in on this machine.
    Accounts(accounts::List),
    /// Signs users out on this machine: their tokens are removed.
    Logout(accounts::Leave),
    /// Shows, checks, saves, converts and compares token caches. Never prints a secret.
    Cache(cache::Arguments),
    /// Shows what is in a JWT, as JSON. Verifies nothing.
    Decode(decode::Arguments),
    /// Shows certificates and private keys: names, dates, thumbprints, and which key belongs to which certificate.
    Certs(certs::Arguments),
    /// Prints what a shell needs to complete this command line.
    Completions(completions::Arguments),
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the server refused, or the user declined
  2  the command or the configuration is wrong; nothing was asked for
  3  the server cannot be reached, or TLS does not trust it
  4  the server has no time now; try again later
  5  the server's answer breaks the protocol
  6  this machine failed: a file, a provider of assertions, the token cache, the output
  7  a person has to sign in: nobody has, or nobody finished it in time";

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Demo => demo::run(),
        Command::Login(arguments) => login::run(&arguments),
        Command::Token(arguments) => token::run(&arguments),
        Command::Pop(arguments) => proofs::run(&arguments, AuthScheme::Pop),
        Command::Dpop(arguments) => proofs::run(&arguments, AuthScheme::Dpop),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Accounts(arguments) => accounts::list(&arguments),
        Command::Logout(arguments) => accounts::leave(&arguments),
        Command::Cache(arguments) => cache::run(&arguments),
        Command::Decode(arguments) => decode::run(&arguments),
        Command::Certs(arguments) => certs::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
