//! The order of certificates: the leaf first, then each one's issuer. By names only; nothing here decides about trust.

use alloc::vec::Vec;

use super::Certificate;

/// Puts certificates in the order that `x5c` wants (RFC 7515 s4.1.6): `leaf`, its issuer, the issuer's issuer and so on,
/// then those that have no place in the chain, in the order they came. Repeated ones are left out.
pub fn in_chain_order(leaf: &Certificate, certificates: Vec<Certificate>) -> Vec<Certificate> {
    let mut rest = Vec::new();
    for certificate in certificates {
        if certificate != *leaf && !rest.contains(&certificate) {
            rest.push(certificate);
        }
    }
    let mut chain = Vec::from([leaf.clone()]);
    while let Some(at) = chain.last().and_then(|last| rest.iter().position(|other| is_issued_by(last, other))) {
        chain.push(rest.remove(at));
    }
    chain.append(&mut rest);
    chain
}

/// Whether each certificate but the last names the next one as its issuer.
pub fn is_chain(certificates: &[Certificate]) -> bool {
    certificates.windows(2).all(|pair| matches!(pair, [this, next] if is_issued_by(this, next)))
}

fn is_issued_by(this: &Certificate, other: &Certificate) -> bool {
    this.is_below(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(pem: &str) -> Vec<Certificate> {
        Certificate::chain(pem).unwrap()
    }

    #[test]
    fn orders() {
        let ordered = chain(include_str!("../../../tests/certs/chain.leaf-intermediate-root.pem"));
        let [leaf, intermediate, root] = &ordered[..] else { panic!("three certificates") };
        let alone = Certificate::from_pem(include_str!("../../../tests/certs/rsa2048.cert.pem")).unwrap();
        let cases: &[(&[&Certificate], &[&Certificate])] = &[
            (&[root, intermediate, leaf], &[leaf, intermediate, root]),
            (&[intermediate, root, intermediate, leaf, leaf], &[leaf, intermediate, root]),
            (&[root, &alone, intermediate], &[leaf, intermediate, root, &alone]),
            (&[root, &alone], &[leaf, root, &alone]),
            (&[], &[leaf]),
        ];
        for (given, expected) in cases {
            let got = in_chain_order(leaf, given.iter().copied().cloned().collect());
            assert_eq!(got.iter().collect::<Vec<_>>(), *expected);
        }
        let only = Vec::from([alone.clone()]);
        assert_eq!(in_chain_order(&alone, only.clone()), only, "its own issuer");
        assert!(is_chain(&ordered) && is_chain(&[]) && is_chain(&only));
        let root_first = chain(include_str!("../../../tests/certs/chain.root-first.pem"));
        assert!(!is_chain(&root_first) && !is_chain(&[leaf.clone(), root.clone()]));
        assert_eq!(in_chain_order(leaf, root_first), ordered);
    }
}
