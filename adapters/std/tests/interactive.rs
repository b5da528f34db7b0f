//! A sign-in as the machine asks for it: browser, welcome page, address to show, and the listener behind them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

#[path = "support/folder.rs"]
mod folder;
use std::net::{Ipv4Addr, TcpStream};
#[cfg(target_os = "linux")]
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
#[cfg(target_os = "linux")]
use std::time::Duration;

use sansal::error::AskError;
#[cfg(target_os = "linux")]
use sansal_std::SystemBrowser;
use sansal_std::{Asks, Interactive, NoBrowser, OpenBrowser, Pages};

use folder::folder;
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

/// `BROWSER` is read from the process, so a child has it: this same program, told to run the test below.
#[cfg(target_os = "linux")]
fn opens_in_a_child(change: impl FnOnce(&mut Command)) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "child_opens_the_system_browser", "--nocapture"]).env("SANSAL_TEST_CHILD", "1");
    for name in ["BROWSER", "DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION", "SSH_TTY", "WSL_DISTRO_NAME", "WSL_INTEROP"]
    {
        child.env_remove(name);
    }
    change(&mut child);
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[cfg(target_os = "linux")]
const OPENED: &str = "http://127.0.0.1:4000/auth?state=a%20b&x=$(id)";

#[cfg(target_os = "linux")]
#[test]
#[expect(clippy::disallowed_methods, reason = "whether this is the child stands in a variable")]
fn child_opens_the_system_browser() {
    if std::env::var("SANSAL_TEST_CHILD").is_ok() {
        println!("child: {:?}", SystemBrowser.open(OPENED));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_system_browser_is_the_one_that_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder("browser");
    let (script, told) = (folder.join("browser"), folder.join("told"));
    std::fs::write(&script, "#!/bin/sh\nprintf '%s|%s' \"$#\" \"$1\" > \"$0.new\"\nmv \"$0.new\" \"${0%/*}/told\"\n")
        .unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let said = opens_in_a_child(|child| {
        child.env("BROWSER", &script);
    });
    assert!(said.contains("child: Ok(())"), "{said}");
    // It runs in the background.
    let opened = loop {
        match std::fs::read_to_string(&told) {
            Ok(text) => break text,
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    };
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(opened, format!("1|{OPENED}"), "one argument, and no shell has seen it");

    let said = opens_in_a_child(|_| {});
    assert!(said.contains("child: Err(NoScreen)"), "{said}");
}
