//! XML from outside (XML 1.0, Namespaces 1.0), held against bounds before it is parsed: no DTD, so many bytes, levels, attributes, nodes.
//!
//! The parser does not recurse, but it compares all attributes of an element with each other and copies the namespaces
//! in scope for each element that declares one: what is quadratic in it is bounded here.

use core::str;
use roxmltree::{Document, Node, ParsingOptions};

use crate::limits::{MAX_XML, MAX_XML_ATTRIBUTES, MAX_XML_DEPTH, MAX_XML_NAMESPACES, MAX_XML_NODES};

/// Why bytes are not usable XML. Never holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum XmlError {
    /// Longer than [`MAX_XML`].
    TooLong,
    /// Nested deeper than [`MAX_XML_DEPTH`].
    TooDeep,
    /// Too many attributes, namespaces or nodes.
    TooMuch,
    /// It has a document type definition.
    Dtd,
    /// Not UTF-8, or not well-formed.
    Malformed,
}

impl XmlError {
    /// The rule, as the place in [`Error::BadResponse`](crate::Error::BadResponse).
    pub(crate) const fn rule(self) -> &'static str {
        match self {
            Self::TooLong => "it is too long",
            Self::TooDeep => "it is nested too deeply",
            Self::TooMuch => "it has too many parts",
            Self::Dtd => "it has a document type definition",
            Self::Malformed => "it is not XML",
        }
    }
}

/// Parses a document.
///
/// # Errors
/// [`XmlError`] says which bound or rule it breaks.
pub(crate) fn parse(bytes: &[u8]) -> Result<Document<'_>, XmlError> {
    if bytes.len() > MAX_XML {
        return Err(XmlError::TooLong);
    }
    let text = str::from_utf8(bytes).map_err(|_| XmlError::Malformed)?;
    check(text)?;
    let options = ParsingOptions { nodes_limit: MAX_XML_NODES, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|why| match why {
        roxmltree::Error::NodesLimitReached => XmlError::TooMuch,
        roxmltree::Error::DtdDetected => XmlError::Dtd,
        _ => XmlError::Malformed,
    })
}

/// Counts levels, attributes and namespaces from tag to tag. What is not well-formed is the parser's to find: up to that
/// place both read the same.
fn check(text: &str) -> Result<(), XmlError> {
    let (mut depth, mut namespaces, mut rest) = (0_usize, 0_usize, text);
    while let Some((_, markup)) = rest.split_once('<') {
        let skipped = [("!--", "-->"), ("![CDATA[", "]]>"), ("?", "?>")].into_iter().find_map(|(begin, end)| {
            let inner = markup.strip_prefix(begin)?;
            Some(inner.split_once(end).map_or("", |(_, after)| after))
        });
        if let Some(after) = skipped {
            rest = after;
            continue;
        }
        if markup.starts_with('!') {
            return Err(XmlError::Dtd);
        }
        let tag = Tag::read(markup);
        rest = tag.rest;
        namespaces = namespaces.saturating_add(tag.inside.matches("xmlns").count());
        if tag.attributes > MAX_XML_ATTRIBUTES || namespaces > MAX_XML_NAMESPACES {
            return Err(XmlError::TooMuch);
        }
        match (tag.inside.starts_with('/'), tag.inside.ends_with('/')) {
            (true, _) => depth = depth.saturating_sub(1),
            (false, true) => {}
            (false, false) => depth = depth.saturating_add(1),
        }
        if depth > MAX_XML_DEPTH {
            return Err(XmlError::TooDeep);
        }
    }
    Ok(())
}

/// What stands between `<` and `>`, and what follows.
struct Tag<'a> {
    inside: &'a str,
    rest: &'a str,
    attributes: usize,
}

impl<'a> Tag<'a> {
    fn read(markup: &'a str) -> Self {
        let (mut quote, mut attributes) = (None, 0_usize);
        for (at, byte) in markup.bytes().enumerate() {
            match (quote, byte) {
                (None, b'>') => {
                    let (inside, rest) = markup.split_at_checked(at).unwrap_or((markup, ""));
                    return Self { inside, rest, attributes };
                }
                (None, b'"' | b'\'') => {
                    quote = Some(byte);
                    attributes = attributes.saturating_add(1);
                }
                (Some(open), close) if open == close => quote = None,
                _ => {}
            }
        }
        Self { inside: markup, rest: "", attributes }
    }
}

/// The elements directly inside of `node` that have this name.
pub(crate) fn children<'a, 'i: 'a>(
    node: Node<'a, 'i>,
    namespace: &'a str,
    name: &'a str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| child.has_tag_name((namespace, name)))
}

/// The first element at this path below `node`, whatever branch it takes.
pub(crate) fn descend<'a, 'i: 'a>(node: Node<'a, 'i>, path: &[(&'a str, &'a str)]) -> Option<Node<'a, 'i>> {
    match path.split_first() {
        None => Some(node),
        Some(((namespace, name), rest)) => children(node, namespace, name).find_map(|child| descend(child, rest)),
    }
}

/// The text of an element without white space around it; empty when there is none.
pub(crate) fn text<'a>(node: Node<'a, '_>) -> &'a str {
    node.text().unwrap_or_default().trim()
}

/// What stands between the tags of an element, byte for byte as it was received.
pub(crate) fn raw_inner<'i>(document: &Document<'i>, node: Node<'_, 'i>) -> &'i str {
    let whole = document.input_text().get(node.range()).unwrap_or_default();
    let Some(markup) = whole.strip_prefix('<') else { return "" };
    let after = Tag::read(markup).rest.strip_prefix('>').unwrap_or_default();
    after.rsplit_once("</").map_or("", |(inner, _)| inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    fn nested(depth: usize) -> String {
        format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth))
    }

    #[test]
    fn bounds() {
        let attributes = |n: usize| format!("<a {}/>", (0..n).map(|i| format!("b{i}='' ")).collect::<String>());
        let namespaces =
            |n: usize| format!("<a>{}</a>", (0..n).map(|i| format!("<b xmlns:c{i}='d'/>")).collect::<String>());
        let cases: &[(String, Result<(), XmlError>)] = &[
            ("<a/>".into(), Ok(())),
            ("\u{feff}<?xml version='1.0' encoding='utf-8'?><a/>".into(), Ok(())),
            (nested(MAX_XML_DEPTH), Ok(())),
            (nested(MAX_XML_DEPTH + 1), Err(XmlError::TooDeep)),
            ("<a>".repeat(100_000), Err(XmlError::TooDeep)),
            (attributes(MAX_XML_ATTRIBUTES), Ok(())),
            (attributes(MAX_XML_ATTRIBUTES + 1), Err(XmlError::TooMuch)),
            (namespaces(MAX_XML_NAMESPACES), Ok(())),
            (namespaces(MAX_XML_NAMESPACES + 1), Err(XmlError::TooMuch)),
            (format!("<a>{}</a>", "<b/>".repeat(19_000)), Ok(())),
            (format!("<a>{}</a>", "<b/>".repeat(21_000)), Err(XmlError::TooMuch)),
            (format!("<a>{}</a>", " ".repeat(MAX_XML)), Err(XmlError::TooLong)),
            ("<!DOCTYPE a><a/>".into(), Err(XmlError::Dtd)),
            ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>".into(), Err(XmlError::Dtd)),
            ("<a>&b;</a>".into(), Err(XmlError::Malformed)),
            (String::new(), Err(XmlError::Malformed)),
            ("Service Unavailable".into(), Err(XmlError::Malformed)),
            ("<html><br></html>".into(), Err(XmlError::Malformed)),
            ("<a".into(), Err(XmlError::Malformed)),
            ("<!--".into(), Err(XmlError::Malformed)),
            // What looks like tags inside of comments, CDATA, values and instructions opens and closes nothing.
            (format!("<a><!--{0}--><![CDATA[{0}]]><?b {0}?><c d='>/>'/></a>", "</a>".repeat(70)), Ok(())),
            (
                format!("{}<!--</a></a>--><a></a>{}", "<a>".repeat(MAX_XML_DEPTH), "</a>".repeat(MAX_XML_DEPTH)),
                Err(XmlError::TooDeep),
            ),
        ];
        for (document, expected) in cases {
            let shown: String = document.chars().take(60).collect();
            assert_eq!(parse(document.as_bytes()).map(drop), *expected, "{shown}");
        }
        assert_eq!(parse(b"<a>\xff</a>").map(drop), Err(XmlError::Malformed));
    }

    #[test]
    fn elements_are_found_by_namespace_and_path() {
        let document =
            parse(b"<a xmlns='u' xmlns:p='v'><b><p:c> 1 </p:c></b><b><c>2</c></b><p:b><c>3</c></p:b></a>").unwrap();
        let root = document.root_element();
        let cases: &[(&[(&str, &str)], Option<&str>)] = &[
            (&[("u", "b"), ("v", "c")], Some("1")),
            (&[("u", "b"), ("u", "c")], Some("2")),
            (&[("v", "b"), ("u", "c")], Some("3")),
            (&[("v", "b"), ("v", "c")], None),
            (&[("", "b")], None),
        ];
        for (path, expected) in cases {
            assert_eq!(descend(root, path).map(text), *expected, "{path:?}");
        }
    }

    #[test]
    fn raw_text_is_kept() {
        let cases = [
            ("<t><b c='&#x41;'>\r\n&amp;<![CDATA[</t>]]></b> </t>", "<b c='&#x41;'>\r\n&amp;<![CDATA[</t>]]></b> "),
            ("<t a='>' b=\"/>\">x</t>", "x"),
            ("<t/>", ""),
            ("<t  />", ""),
            ("<t></t >", ""),
            ("\u{feff}<t>\u{e9}</t>", "\u{e9}"),
            ("<!-- <t>no</t> --><t>x</t>\n", "x"),
        ];
        for (document, inner) in cases {
            let parsed = parse(document.as_bytes()).unwrap();
            assert_eq!(raw_inner(&parsed, parsed.root_element()), inner, "{document}");
        }
    }
}
