//! Syntax of names in Kubernetes.

/// The limit of a name: a label's key or value, an annotation's key, each behind the slash.
pub const NAME_LIMIT: usize = 63;
/// The limit of one part of a domain, between dots (RFC 1123).
pub const PART_LIMIT: usize = 63;
/// The limit of a domain: the part before the slash.
pub const DOMAIN_LIMIT: usize = 253;

/// Whether it is a name, as behind the slash (`IsQualifiedName`, without a prefix).
pub fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric();
    (1..=NAME_LIMIT).contains(&name.len())
        && name.starts_with(plain)
        && name.ends_with(plain)
        && name.chars().all(is_of_a_name)
}

/// Whether a name can contain this character, except at its ends.
pub fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// Whether it is a domain, as before the slash (`IsDNS1123Subdomain`).
pub fn is_domain(domain: &str) -> bool {
    domain.len() <= DOMAIN_LIMIT && domain.split('.').all(is_part)
}

/// Whether it can be the key of a label or an annotation (`IsQualifiedName`).
pub fn is_key(key: &str) -> bool {
    key.split_once('/').map_or_else(|| is_name(key), |(domain, name)| is_domain(domain) && is_name(name))
}

fn is_part(part: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=PART_LIMIT).contains(&part.len())
        && part.starts_with(plain)
        && part.ends_with(plain)
        && part.chars().all(|c| plain(c) || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_names_with_or_without_a_domain() {
        let long = "a".repeat(64);
        let cases = [
            ("app", true),
            ("App_1.x-y", true),
            ("example.com/app", true),
            ("", false),
            ("-app", false),
            ("a b", false),
            ("/app", false),
            ("example.com/", false),
            ("Example.com/app", false),
            ("a/b/c", false),
            (&long[1..], true),
            (&long, false),
        ];
        for (key, expected) in cases {
            assert_eq!(is_key(key), expected, "{key:?}");
        }
    }
}
