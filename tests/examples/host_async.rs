//! The executor at work: two requests for a token side by side on one thread, then one more.

use std::cell::RefCell;
use std::pin::Pin;

use sansal::{Error, Token};
use sansal_tests::hosts::executor::{Executor, join};
use sansal_tests::hosts::{Arguments, World, arguments};

fn main() {
    if let Err(why) = run() {
        eprintln!("host_async: {why}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), String> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let (client, trust, wanted) = (arguments.client()?, arguments.trust()?, arguments.wanted()?);
    let world = RefCell::new(World::new().map_err(|why| why.to_string())?);
    let executor = Executor::default();
    let get = async || executor.run(&world, &client, &trust, &mut wanted.flow(&client)?).await;
    let both: Vec<Pin<Box<dyn Future<Output = Result<Token, Error>> + '_>>> = vec![Box::pin(get()), Box::pin(get())];
    let mut tokens = executor.block_on(join(both));
    tokens.push(executor.block_on(get()));
    for (round, token) in ["one", "beside it", "afterwards"].into_iter().zip(tokens) {
        println!("{}", arguments::report(round, &token.map_err(|why| why.to_string())?));
    }
    Ok(())
}
