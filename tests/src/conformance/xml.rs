//! XML compared as trees: names with namespaces, attributes, trimmed texts; `{{uuid}}` in a text stands for any UUID.

use std::collections::BTreeSet;

use roxmltree::{Document, Node};

use super::matching::is_uuid;

/// Whether two documents say the same. A text that is not XML is not the same as anything.
pub fn same(want: &str, got: &str) -> bool {
    match (Document::parse(want), Document::parse(got)) {
        (Ok(want), Ok(got)) => same_element(want.root_element(), got.root_element()),
        _ => false,
    }
}

fn same_element(want: Node<'_, '_>, got: Node<'_, '_>) -> bool {
    let name = |n: Node<'_, '_>| (n.tag_name().namespace().map(String::from), n.tag_name().name().to_string());
    let attributes = |n: Node<'_, '_>| {
        let owned = |a: roxmltree::Attribute<'_, '_>| {
            (a.namespace().map(String::from), a.name().to_string(), a.value().to_string())
        };
        n.attributes().map(owned).collect::<BTreeSet<_>>()
    };
    let children = |n: Node<'_, '_>| n.children().filter(Node::is_element).count();
    name(want) == name(got)
        && attributes(want) == attributes(got)
        && same_text(want.text().unwrap_or_default().trim(), got.text().unwrap_or_default().trim())
        && children(want) == children(got)
        && want
            .children()
            .filter(Node::is_element)
            .zip(got.children().filter(Node::is_element))
            .all(|(want, got)| same_element(want, got))
}

fn same_text(want: &str, got: &str) -> bool {
    let mut parts = want.split("{{uuid}}");
    let Some(mut rest) = got.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    for part in parts {
        let Some((uuid, after)) = rest.split_at_checked(36) else { return false };
        match after.strip_prefix(part) {
            Some(after) if is_uuid(uuid) => rest = after,
            _ => return false,
        }
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn trees() {
        const U: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";
        let cases: &[(&str, &str, bool)] = &[
            ("<a><b>x</b></a>", "<a>\n <b> x </b>\n</a>", true),
            ("<p:a xmlns:p='u'/>", "<a xmlns='u'/>", true),
            ("<p:a xmlns:p='u'/>", "<a xmlns='v'/>", false),
            ("<a x='1' y='2'/>", "<a y='2' x='1'/>", true),
            ("<a x='1'/>", "<a x='2'/>", false),
            ("<a><b/><c/></a>", "<a><c/><b/></a>", false),
            ("<a><b/></a>", "<a><b/><b/></a>", false),
            ("<a>urn:{{uuid}}!</a>", &format!("<a>urn:{U}!</a>"), true),
            ("<a>urn:{{uuid}}!</a>", "<a>urn:x!</a>", false),
            ("<a>{{uuid}}</a>", &format!("<a>{U}0</a>"), false),
            ("<a/>", "<a>", false),
        ];
        for (want, got, expected) in cases {
            assert_eq!(same(want, got), *expected, "{want} {got}");
        }
    }
}
