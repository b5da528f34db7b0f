//! What the user sees in the browser when the sign-in is over. Nothing in it comes from elsewhere, every value is escaped.

use super::judge::AuthorizationError;

/// More of a value than this is not shown, in characters.
const MAX_SHOWN: usize = 1_000;

const SUCCESS: &str = include_str!("success.html");
const ERROR: &str = include_str!("error.html");

/// The two pages that end a sign-in, and one before it for those who want it.
///
/// In a template `$error`, `$error_description` and `$error_uri` stand for what the server said, `$$` for a dollar sign;
/// any other `$name` becomes nothing. A text that begins with `<` is HTML: values are escaped in it, and its styles must
/// be inline, since it is served with `Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'`. Any
/// other is plain text.
///
/// ```
/// use sansal_std::Pages;
/// let pages = Pages::default().success("Welcome back. You can close this tab.");
/// ```
#[derive(Clone, Debug)]
pub struct Pages {
    welcome: Option<String>,
    success: String,
    error: String,
}

impl Default for Pages {
    fn default() -> Self {
        Self { welcome: None, success: SUCCESS.to_owned(), error: ERROR.to_owned() }
    }
}

impl Pages {
    /// Shown first, with `$auth_uri`, which leads on to the sign-in, and `$abort_uri`, which gives it up: the wait ends
    /// with [`AskError::Cancelled`](sansal::error::AskError::Cancelled) (G-07). None by default.
    #[must_use]
    pub fn welcome(mut self, template: impl Into<String>) -> Self {
        self.welcome = Some(template.into());
        self
    }

    /// Shown when the browser brought a code.
    #[must_use]
    pub fn success(mut self, template: impl Into<String>) -> Self {
        self.success = template.into();
        self
    }

    /// Shown when the browser brought an error.
    #[must_use]
    pub fn error(mut self, template: impl Into<String>) -> Self {
        self.error = template.into();
        self
    }

    pub(super) fn has_welcome(&self) -> bool {
        self.welcome.is_some()
    }

    pub(super) fn render_welcome(&self, auth_uri: &str, abort_uri: &str) -> Option<Page> {
        let template = self.welcome.as_ref()?;
        let html = is_html(template);
        let text = fill(template, |name| {
            let value = match name {
                "auth_uri" => auth_uri,
                "abort_uri" => abort_uri,
                _ => "",
            };
            if html { escape(value.chars()) } else { value.to_owned() }
        });
        Some(Page { html, text })
    }

    pub(super) fn render(&self, error: Option<&AuthorizationError>) -> Page {
        let template = if error.is_some() { &self.error } else { &self.success };
        let html = is_html(template);
        let none = AuthorizationError::default();
        let error = error.unwrap_or(&none);
        let text = fill(template, |name| {
            let value = match name {
                "error" => &error.error,
                "error_description" => &error.description,
                "error_uri" => &error.uri,
                _ => "",
            };
            let value = value.chars().take(MAX_SHOWN);
            if html { escape(value) } else { value.collect() }
        });
        Page { html, text }
    }
}

/// A page as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) html: bool,
    pub(super) text: String,
}

fn is_html(template: &str) -> bool {
    template.trim_start().starts_with('<')
}

/// Goes over the template once: what a value brings in is not looked at again.
fn fill(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
        let (name, tail) = after.split_at(end);
        if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            out.push_str(&value(name));
            rest = tail;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

fn escape(text: impl Iterator<Item = char>) -> String {
    let mut out = String::new();
    for c in text {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // An attribute without quotes ends at these too.
            '`' => out.push_str("&#96;"),
            '=' => out.push_str("&#61;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(error: &str, description: &str) -> AuthorizationError {
        AuthorizationError { error: error.into(), description: description.into(), uri: String::new() }
    }

    #[test]
    fn values_are_escaped_and_not_read_again() {
        let pages = Pages::default().error("<p>$error: $error_description ($other) $$error 5$ $5 $");
        let page = pages.render(Some(&error("<script>alert('1')</script>", "$error \"`=&")));
        assert!(page.html);
        assert_eq!(
            page.text,
            "<p>&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;: $error &quot;&#96;&#61;&amp; () $error 5$ $5 $"
        );
    }

    #[test]
    fn plain_text_is_not_html() {
        let page = Pages::default().error("Failed: $error").render(Some(&error("a<b", "")));
        assert_eq!(page, Page { html: false, text: "Failed: a<b".into() });
    }

    #[test]
    fn values_are_bounded() {
        let page = Pages::default().error("$error").render(Some(&error(&"ä".repeat(5_000), "")));
        assert_eq!(page.text.chars().count(), MAX_SHOWN);
    }

    /// WCAG 2.2: a language (3.1.1), a title (2.4.2), one main heading; and nothing from elsewhere.
    #[test]
    fn default_pages() {
        let failed = error("access_denied", "The user said no.");
        for page in [Pages::default().render(None), Pages::default().render(Some(&failed))] {
            assert!(page.html && page.text.starts_with("<!doctype html>"));
            for part in ["<html lang=\"en\">", "<meta charset=\"utf-8\">", "<title>", "<main", "<h1>"] {
                assert_eq!(page.text.matches(part).count(), 1, "{part}");
            }
            for foreign in ["http:", "https:", "src=", "href=", "<script", "$"] {
                assert!(!page.text.contains(foreign), "{foreign}");
            }
        }
        let page = Pages::default().render(Some(&failed)).text;
        assert!(page.contains("access_denied") && page.contains("The user said no."));
    }
}
