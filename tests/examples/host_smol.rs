//! Bring your own runtime: the machines of the core on `smol`. A host is one loop with an arm for each question of a machine; TLS and
//! HTTP are sans-IO themselves here, so that the runtime only has to move bytes and to wait. Two tokens side by side, then one more.

use std::cell::RefCell;
use std::time::Duration;

use sansal::client::Client;
use sansal::flow::{Answer as Reply, AskError, Flow, Input, Request, SendError, Step};
use sansal::{Error, Token};
use sansal_tests::hosts::{Answer, Arguments, Exchange, Trust, World, arguments};
use smol::Timer;
use smol::future;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::TcpStream;

/// Drives a machine to its end. The world is borrowed for single steps only, never across an `await`.
async fn drive<F: Flow>(
    world: &RefCell<World>,
    client: &Client,
    trust: &Trust,
    mut flow: F,
) -> Result<F::Output, Error> {
    let mut tell = |input: Input<'_>| world.borrow_mut().step(client, &mut flow, input);
    let mut step = tell(Input::Start)?;
    loop {
        step = match step {
            Step::Send(request) => match send(trust, &request).await {
                Ok(answer) => answer.with(|response| tell(Input::Response(response)))?,
                Err(why) => tell(Input::Failed(why))?,
            },
            Step::Wait(span) => {
                Timer::after(Duration::from_millis(span.0)).await;
                tell(Input::Woke)?
            }
            // Nobody sits at this program: it has no browser, no display, no keys of its own.
            Step::Ask(_) => tell(Input::Answer(Reply::Failed(AskError::NotSupported)))?,
            // The store is in memory: there is nothing to bring, and nowhere else to write.
            Step::Load(_) => tell(Input::Loaded)?,
            Step::Commit(changes) => {
                world.borrow_mut().store.apply(changes);
                tell(Input::Committed(Ok(())))?
            }
            Step::Done(done) => return Ok(done),
        };
    }
}

/// One request and its answer over a connection of its own, within the time that the machine gives it.
async fn send(trust: &Trust, request: &Request) -> Result<Answer, SendError> {
    let exchange = async {
        let mut exchange = Exchange::begin(trust, request)?;
        let host = request.endpoint.host().trim_matches(['[', ']']);
        let connected = TcpStream::connect((host, request.endpoint.port_or_default())).await;
        let mut socket = connected.map_err(|_| SendError::NotSent)?;
        let mut bytes = [0; 4096];
        loop {
            socket.write_all(&exchange.outgoing()?).await.map_err(|_| exchange.broken())?;
            let n = socket.read(&mut bytes).await.map_err(|_| exchange.broken())?;
            if let Some(answer) = exchange.incoming(bytes.get(..n).unwrap_or_default())? {
                return Ok(answer);
            }
        }
    };
    let too_late = async {
        Timer::after(Duration::from_millis(request.attempt_timeout.0)).await;
        Err(SendError::NoAnswer)
    };
    future::or(exchange, too_late).await
}

/// Two tokens side by side, and one more, which comes from the cache.
fn tokens(arguments: &Arguments) -> Result<[Result<Token, Error>; 3], String> {
    let (client, trust, wanted) = (arguments.client()?, arguments.trust()?, arguments.wanted()?);
    let world = RefCell::new(World::new().map_err(|why| why.to_string())?);
    let get = async || drive(&world, &client, &trust, wanted.flow(&client)?).await;
    smol::block_on(async {
        let (one, beside) = future::zip(get(), get()).await;
        Ok([one, beside, get().await])
    })
}

fn run() -> Result<(), String> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    for (round, token) in ["one", "beside it", "afterwards"].into_iter().zip(tokens(&arguments)?) {
        println!("{}", arguments::report(round, &token.map_err(|why| why.to_string())?));
    }
    Ok(())
}

fn main() {
    if let Err(why) = run() {
        eprintln!("host_smol: {why}");
        std::process::exit(1);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;
    use sansal::TokenSource;
    use sansal_sim::{CONTOSO_CLIENT, CONTOSO_SECRET, Fault, On, Platform, Server, What};

    #[test]
    fn tokens_of_the_platform_on_smol() {
        let server = Server::start(Platform::contoso(1).unwrap().issuer("realms/contoso")).unwrap();
        let folder = std::env::temp_dir().join(format!("sansal-smol-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = |name: &str, text: &str| {
            std::fs::write(folder.join(name), text).unwrap();
            folder.join(name).to_str().unwrap().to_owned()
        };
        let arguments = Arguments {
            issuer: server.authority("realms/contoso"),
            ca: file("ca.pem", server.ca_pem()),
            client_id: CONTOSO_CLIENT.to_owned(),
            scopes: vec!["https://graph.microsoft.com/.default".to_owned()],
            secret_file: Some(file("secret", CONTOSO_SECRET)),
            ..Arguments::default()
        };
        // The first answer is lost, and asked for again after a wait.
        server.platform().fault(Fault::new(On::Metadata, What::Reset));
        let all = tokens(&arguments).unwrap().map(Result::unwrap);
        let sources = all.each_ref().map(Token::source);
        assert_eq!(sources, [TokenSource::IdentityProvider, TokenSource::IdentityProvider, TokenSource::Cache]);
        assert_eq!(server.platform().asked(&On::Token), 2);
        assert!(all.iter().all(|token| token.access_token().split('.').count() == 3));
        // Whom nobody vouches for gets nothing.
        let other = Server::start(Platform::contoso(2).unwrap()).unwrap();
        let wary = Arguments { ca: file("other.pem", other.ca_pem()), ..arguments };
        let [refused, ..] = tokens(&wary).unwrap();
        assert!(matches!(refused, Err(Error::Unreachable { why: SendError::Tls(_), .. })), "{refused:?}");
        assert_eq!(server.platform().asked(&On::Token), 2);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
