//! Opens an address in the user's browser, or finds that there is none to be seen from here.

use std::fmt;

use sansal::Endpoint;

/// Opens addresses. Bring your own to open a window inside your application, or in tests.
pub trait OpenBrowser: Send + Sync {
    /// Opens the address, or says why that does not work; the user is then given the address to open it by hand.
    /// May take as long as it likes: the listener does not wait for it.
    ///
    /// # Errors
    /// [`NoBrowser`]
    fn open(&self, url: &str) -> Result<(), NoBrowser>;
}

/// Why no browser was opened.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoBrowser {
    /// The address is neither `https` nor `http` at loopback, or has characters that do not belong into one.
    Address,
    /// There is no screen: neither `DISPLAY` nor `WAYLAND_DISPLAY` is set, as in a container or over SSH.
    NoScreen,
    /// None is installed, or it cannot be started.
    NotStarted,
}

impl fmt::Display for NoBrowser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "the address is not one for a browser",
            Self::NoScreen => "there is no screen here",
            Self::NotStarted => "no browser could be started",
        })
    }
}

impl std::error::Error for NoBrowser {}

/// The user's own browser, by the crate `webbrowser`: what the variable `BROWSER` names, else what the desktop says;
/// under WSL, that of Windows.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemBrowser;

impl OpenBrowser for SystemBrowser {
    fn open(&self, url: &str) -> Result<(), NoBrowser> {
        let url = check_address(url)?;
        if !Surroundings::of_this_process().can_show() {
            return Err(NoBrowser::NoScreen);
        }
        webbrowser::open(&url).map_err(|_| NoBrowser::NotStarted)
    }
}

/// What may be handed to another program: [`Endpoint`] knows no other scheme, no control character, no space and no quote.
fn check_address(url: &str) -> Result<String, NoBrowser> {
    Endpoint::parse(url).map(|url| url.to_string()).map_err(|_| NoBrowser::Address)
}

/// What decides whether a window would be seen by the user.
#[derive(Clone, Copy, Debug)]
struct Surroundings {
    /// Desktops here need a display server, and say so in a variable.
    needs_display: bool,
    display: bool,
    /// `BROWSER`: somebody knows better.
    named: bool,
    ssh: bool,
    wsl: bool,
}

impl Surroundings {
    #[expect(clippy::disallowed_methods, reason = "whether there is a screen stands in variables only")]
    fn of_this_process() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        Self {
            needs_display: cfg!(all(unix, not(any(target_os = "macos", target_os = "ios", target_os = "android")))),
            display: set("DISPLAY") || set("WAYLAND_DISPLAY"),
            named: set("BROWSER"),
            ssh: set("SSH_CONNECTION") || set("SSH_TTY"),
            wsl: set("WSL_DISTRO_NAME") || set("WSL_INTEROP"),
        }
    }

    fn can_show(self) -> bool {
        // Over SSH without a forwarded display a window would open on the screen of the other machine, if at all.
        self.named || self.display || (!self.ssh && (self.wsl || !self.needs_display))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (url, expected) in [
            ("https://login.example/authorize?state=a%20b&x=1", true),
            ("http://127.0.0.1:4000/auth", true),
            ("http://login.example/authorize", false),
            ("file:///etc/passwd", false),
            ("javascript:alert(1)", false),
            ("--help", false),
            ("https://login.example/ --new-window", false),
            ("https://login.example/\r\nx", false),
            ("https://login.example/\t", false),
            ("https://login.example/?\"&calc.exe&\"", false),
            ("https://login.example/?`id`", false),
            ("https://user@login.example/", false),
            ("", false),
        ] {
            assert_eq!(check_address(url).is_ok(), expected, "{url:?}");
            assert!(expected || SystemBrowser.open(url) == Err(NoBrowser::Address));
        }
    }

    #[test]
    fn screens() {
        let none = Surroundings { needs_display: true, display: false, named: false, ssh: false, wsl: false };
        for (here, expected) in [
            (none, false),
            (Surroundings { display: true, ..none }, true),
            (Surroundings { display: true, ssh: true, ..none }, true),
            (Surroundings { named: true, ssh: true, ..none }, true),
            (Surroundings { wsl: true, ..none }, true),
            (Surroundings { wsl: true, ssh: true, ..none }, false),
            (Surroundings { needs_display: false, ..none }, true),
            (Surroundings { needs_display: false, ssh: true, ..none }, false),
        ] {
            assert_eq!(here.can_show(), expected, "{here:?}");
        }
    }
}
