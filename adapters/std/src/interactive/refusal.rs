//! Why a request to the loopback listener is not the answer that is waited for.

/// Each is a small error page; the wait goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Not an HTTP/1.1 request, or one that two readers could understand differently.
    NotHttp,
    /// A body in chunks; browsers send forms whole.
    Chunked,
    /// Request line and headers are too long.
    HeadTooLarge,
    /// The form is too long.
    BodyTooLarge,
    /// The `Host` header does not name this listener: another name may have been rebound to loopback.
    Host,
    /// Some other path than that of the redirect address.
    Path,
    /// Neither GET nor POST.
    Method,
    /// The answer is in the query, but `form_post` is waited for.
    NotFormPost,
    /// A form, but the answer is waited for in the query.
    NotQuery,
    /// The body is not a form.
    MediaType,
    /// Neither `code` nor `error`, or a parameter twice (RFC 6749 s3.1), or not UTF-8.
    Parameters,
    /// No `state`, or another than that of this sign-in.
    State,
    /// This sign-in has had another answer.
    Answered,
}

impl Refusal {
    /// Status code and its reason phrase.
    pub(crate) const fn status(self) -> (u16, &'static str) {
        match self {
            Self::Path => (404, "Not Found"),
            Self::Method => (405, "Method Not Allowed"),
            Self::Answered => (409, "Conflict"),
            Self::Chunked => (411, "Length Required"),
            Self::BodyTooLarge => (413, "Content Too Large"),
            Self::MediaType => (415, "Unsupported Media Type"),
            Self::Host => (421, "Misdirected Request"),
            Self::HeadTooLarge => (431, "Request Header Fields Too Large"),
            _ => (400, "Bad Request"),
        }
    }

    /// What a person who sees the page should know.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::NotHttp => "This is not a request that can be understood here.",
            Self::Chunked => "Send the form with a Content-Length.",
            Self::HeadTooLarge => "The request is too long.",
            Self::BodyTooLarge => "The form is too long.",
            Self::Host => "This listener answers to localhost only.",
            Self::Path => "There is nothing here.",
            Self::Method => "Only GET and POST are understood here.",
            Self::NotFormPost => {
                "This sign-in takes its answer as a form only (response_mode=form_post). Go back to the application \
                 and sign in again."
            }
            Self::NotQuery => "This sign-in takes its answer in the address only (response_mode=query).",
            Self::MediaType => "The body must be application/x-www-form-urlencoded.",
            Self::Parameters => "This is not the answer to a sign-in. Go back to the application and sign in again.",
            Self::State => {
                "This answer belongs to another sign-in (state mismatch). Go back to the application and sign in again."
            }
            Self::Answered => "This sign-in is already answered. You can close this tab.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_client_errors() {
        for refusal in
            [Refusal::NotHttp, Refusal::Host, Refusal::Path, Refusal::Method, Refusal::State, Refusal::Answered]
        {
            assert!((400..500).contains(&refusal.status().0) && !refusal.reason().is_empty());
        }
    }
}
