//! A sign-in as the machine asks for it: browser, welcome page, address to show, and the listener behind them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

use std::net::{Ipv4Addr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use sansal::error::AskError;
use sansal_std::{Asks, Interactive, NoBrowser, OpenBrowser, Pages};

use loopback::{RIGHT, STATE, exchange, get, post};

#[path = "support/loopback.rs"]
mod loopback;

/// A browser that tells what it was asked to open.
struct Told(Mutex<Sender<String>>, Result<(), NoBrowser>);

impl OpenBrowser for Told {
    fn open(&self, url: &str) -> Result<(), NoBrowser> {
        self.0.lock().unwrap().send(url.to_owned()).unwrap();
        self.1
    }
}

fn told(result: Result<(), NoBrowser>) -> (Told, Receiver<String>) {
    let (sender, receiver) = channel();
    (Told(Mutex::new(sender), result), receiver)
}

#[test]
fn interactive_opens_the_browser_and_brings_the_answer() {
    let (browser, opened) = told(Ok(()));
    let interactive = Interactive::bind(None).unwrap().browser(browser);
    let (port, redirect_uri) = (interactive.port(), interactive.redirect_uri());
    let url = format!("https://login.example/authorize?state={STATE}&response_mode=form_post");
    let (asked, back) = (url.clone(), redirect_uri.clone());
    let signing_in = thread::spawn(move || interactive.open_browser(&asked, &back));
    assert_eq!(opened.recv().unwrap(), url);
    let request = post("/", &format!("localhost:{port}"), RIGHT);
    let answer = exchange(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap(), request.as_bytes());
    assert_eq!(answer.status, 200);
    assert_eq!(signing_in.join().unwrap().unwrap().expose(), RIGHT);
}

#[test]
fn interactive_without_a_browser_shows_the_address_and_goes_on() {
    let (browser, _opened) = told(Err(NoBrowser::NoScreen));
    let shown = Arc::new(Mutex::new(None));
    let (see, showing) = channel();
    let keep = shown.clone();
    let interactive = Interactive::bind(None).unwrap().browser(browser).show_address(move |address| {
        *keep.lock().unwrap() = Some((address.url.to_owned(), address.port, address.why));
        see.send(()).unwrap();
    });
    let (port, redirect_uri) = (interactive.port(), interactive.redirect_uri());
    let url = format!("https://login.example/authorize?state={STATE}");
    let asked = url.clone();
    let signing_in = thread::spawn(move || interactive.open_browser(&asked, &redirect_uri));
    showing.recv().unwrap();
    assert_eq!(shown.lock().unwrap().clone(), Some((url, port, NoBrowser::NoScreen)));
    let host = format!("localhost:{port}");
    for (target, status) in [(format!("/?{RIGHT}"), 303), ("/done".to_owned(), 200)] {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert_eq!(exchange(stream, get(&target, &host).as_bytes()).status, status);
    }
    assert_eq!(signing_in.join().unwrap().unwrap().expose(), RIGHT);
}

#[test]
fn interactive_refuses_what_could_never_come_back() {
    let (browser, opened) = told(Ok(()));
    let interactive = Interactive::bind(None).unwrap().browser(browser);
    let own = interactive.redirect_uri();
    for (url, redirect_uri) in [
        ("https://login.example/authorize?x=y", own.as_str()),
        ("https://login.example/authorize?state=", own.as_str()),
        ("https://login.example/authorize?state=s&response_mode=fragment", own.as_str()),
        ("https://login.example/authorize?state=s", "http://localhost:1"),
        ("https://login.example/authorize?state=s", "https://app.example/callback"),
        ("file:///authorize?state=s", own.as_str()),
    ] {
        assert_eq!(interactive.open_browser(url, redirect_uri).unwrap_err(), AskError::Failed, "{url} {redirect_uri}");
    }
    assert!(opened.try_recv().is_err(), "nothing was opened");
}

#[test]
fn interactive_opens_the_welcome_page_if_there_is_one() {
    let (browser, opened) = told(Ok(()));
    let pages = Pages::default().welcome("$auth_uri");
    let interactive = Interactive::bind(None).unwrap().browser(browser).pages(pages);
    let (port, redirect_uri) = (interactive.port(), interactive.redirect_uri());
    let url = format!("https://login.example/authorize?state={STATE}&response_mode=form_post");
    let asked = url.clone();
    let signing_in = thread::spawn(move || interactive.open_browser(&asked, &redirect_uri));
    assert_eq!(opened.recv().unwrap(), format!("http://localhost:{port}/?welcome=true"));
    let host = format!("localhost:{port}");
    let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    assert_eq!(exchange(connect(), get("/?welcome=true", &host).as_bytes()).body, url);
    assert_eq!(exchange(connect(), post("/", &host, RIGHT).as_bytes()).status, 200);
    assert_eq!(signing_in.join().unwrap().unwrap().expose(), RIGHT);
}
