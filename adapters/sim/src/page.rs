//! Pages for people: signing in, typing a user code, what went wrong; and the form that posts itself.

use crate::message::Response;

/// Text for HTML, in attributes too.
pub(crate) fn escape(text: &str) -> String {
    let one = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#39;".to_owned(),
        other => other.to_string(),
    };
    text.chars().map(one).collect()
}

/// What [`escape`] made, back.
pub(crate) fn unescape(text: &str) -> String {
    let pairs = [("&quot;", "\""), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
    pairs.into_iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

fn page(status: u16, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title} - sansal-sim</title>\
         <body><h1>{title}</h1>{body}</body></html>"
    );
    Response::text(status, "text/html; charset=utf-8", &html).header("Cache-Control", "no-store")
}

const PERSON: &str = "<label>Password <input name=\"password\" type=\"password\" id=\"password\"></label>\
     <button name=\"decision\" value=\"approve\" id=\"approve\">Approve</button>\
     <button name=\"decision\" value=\"deny\" id=\"deny\">Deny</button>";

fn alert(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!("<p role=\"alert\">{}</p>", escape(message)) }
}

/// Who signs in; posts to the address it came from.
pub(crate) fn login(client_id: &str, hint: &str, message: &str) -> Response {
    let body = format!(
        "<p>For application {}</p>{}<form method=\"post\">\
         <label>User <input name=\"username\" id=\"username\" value=\"{}\"></label>{PERSON}</form>",
        escape(client_id),
        alert(message),
        escape(hint)
    );
    page(200, "Sign in", &body)
}

/// Which device is to sign in, and who.
pub(crate) fn device(code: &str, message: &str) -> Response {
    let body = format!(
        "{}<form method=\"post\"><label>Code <input name=\"user_code\" id=\"user_code\" value=\"{}\"></label>\
         <label>User <input name=\"username\" id=\"username\"></label>{PERSON}</form>",
        alert(message),
        escape(code)
    );
    page(200, "Sign in a device", &body)
}

/// That something is done.
pub(crate) fn message(text: &str) -> Response {
    page(200, "Done", &format!("<p id=\"message\">{}</p>", escape(text)))
}

/// Why a client cannot be answered at all (RFC 6749 s4.1.2.1).
pub(crate) fn error(text: &str) -> Response {
    page(400, "Sign-in failed", &alert(text))
}

/// A form that posts itself (OAuth 2.0 Form Post Response Mode).
pub(crate) fn form_post(address: &str, parameters: &[(&str, &str)]) -> Response {
    let input = |(name, value): &(&str, &str)| {
        format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value))
    };
    let inputs: String = parameters.iter().map(input).collect();
    let body = format!(
        "<form method=\"post\" action=\"{}\">{inputs}<noscript><button>Continue</button></noscript></form>\
         <script>document.forms[0].submit()</script>",
        escape(address)
    );
    page(200, "Working", &body)
}
