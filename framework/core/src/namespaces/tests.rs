use super::*;
use proptest::prelude::*;

fn set(lists: &[&str]) -> NamespaceSet {
    NamespaceSet::parse(lists).unwrap()
}

#[test]
fn a_list_admits_what_its_parts_say_from_left_to_right() {
    for (list, admitted, left_out) in [
        ("a", &["a"][..], &["b", "aa", ""][..]),
        ("a,b", &["a", "b"], &["c"]),
        ("a-*", &["a-", "a-b", "a-b-c"], &["a", "ba-b"]),
        ("*", &["a", "b-c"], &[]),
        ("a?", &["ab", "a-"], &["a", "abc"]),
        ("*-a-*", &["x-a-y", "-a-", "x-a-a-y"], &["a", "x-a"]),
        ("*a", &["a", "ba", "aa"], &["ab"]),
        ("**", &["", "a"], &[]),
        ("a*b*c", &["abc", "axbxc", "abcbc"], &["ab", "acb"]),
        ("!a", &["b", "aa"], &["a"]),
        ("!kube-*, !default", &["a"], &["kube-system", "default"]),
        ("team-*,!team-x", &["team-a"], &["team-x", "other"]),
        ("team-*, qa-*, !*-x", &["team-a", "qa-a"], &["team-x", "qa-x", "other"]),
        // Kopf's example.
        ("myapp-*, !*-pr-*, *pr-123", &["myapp-test", "myapp-pr-123"], &["myapp-pr-456", "otherapp-pr-123"]),
        ("!*-pr-*, *pr-123", &["myapp-test", "otherapp-pr-123"], &["myapp-pr-456"]),
        ("a*,!ab*,abc*,!abcd", &["a", "abc", "abce"], &["ab", "abx", "abcd"]),
    ] {
        let parsed: NamespaceList = list.parse().unwrap();
        for name in admitted {
            assert!(parsed.admits(name), "{list:?} has {name:?}");
        }
        for name in left_out {
            assert!(!parsed.admits(name), "{list:?} hasn't {name:?}");
        }
    }
}

#[test]
fn a_set_has_what_one_of_its_lists_has() {
    let set = set(&["a-*,!a-x", "a-x-y", "b"]);
    assert!(["a-b", "a-x-y", "b"].iter().all(|name| set.admits(name)));
    assert!(!["a-x", "c"].iter().any(|name| set.admits(name)));
    assert_eq!(set.to_string(), "a-*,!a-x a-x-y b");
}

#[test]
fn names_are_told_from_what_only_the_server_knows() {
    for (lists, names, has_globs) in [
        (&["a"][..], &["a"][..], false),
        (&["b,a", "a"], &["a", "b"], false),
        (&["a,b,!b"], &["a"], false),
        (&["a,!*"], &[], false),
        (&["a,b-*"], &["a"], true),
        (&["a", "b-*"], &["a"], true),
        (&["!a"], &[], true),
        (&["a,!a,a"], &["a"], false),
        // It can only let in what was in.
        (&["a,!a,*"], &["a"], false),
    ] {
        let set = set(lists);
        let expected: BTreeSet<_> = names.iter().map(ToString::to_string).collect();
        assert_eq!((set.names(), set.has_globs()), (expected, has_globs), "{lists:?}");
    }
}

#[test]
fn mistakes_are_told_with_what_to_write() {
    for (lists, told) in [
        (&[""][..], "\"\" has an empty part"),
        (&["a,"], "\"a,\" has an empty part"),
        (&["!"], "\"!\" has an empty part"),
        (&["Upper"], "\"Upper\" can't be a namespace"),
        (&["a.b"], "\"a.b\" can't be a namespace"),
        (&["a-"], "\"a-\" can't be a namespace"),
        (&["!!a"], "\"!a\" can't be a namespace"),
        (&["postgres://u:secret,secret@db"], "\"<a URL>\" can't be a namespace"),
        (&["a/b"], "\"a/b\" can't be a namespace"),
        (&["[ab]*"], "no namespace fits \"[ab]*\""),
        (&["A*"], "no namespace fits \"A*\""),
        (&["-*"], "no namespace fits \"-*\""),
        (&["a", "!b"], "\"!b\" means all other namespaces"),
        (&["!a", "!b"], "write one list, such as \"team-*,!a\""),
    ] {
        let error = NamespaceSet::parse(lists).unwrap_err().to_string();
        assert!(error.contains(told) && !error.contains("secret"), "{lists:?}: {error}");
    }
    assert!(NamespaceSet::parse([&"a".repeat(64)]).is_err());
    assert!(NamespaceSet::parse([format!("{}*", "a".repeat(63))]).is_ok());
}

/// The same by trying all that each `*` can stand for.
fn matches_slowly(glob: &[u8], name: &[u8]) -> bool {
    match (glob.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=name.len()).any(|end| matches_slowly(rest, &name[end..])),
        (Some((c, rest)), Some((first, others))) => {
            (*c == b'?' || c == first) && matches_slowly(rest, others)
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn a_glob_matches_what_its_definition_says(glob in "[ab*?]{0,7}", name in "[ab]{0,8}") {
        prop_assert_eq!(matches(&glob, &name), matches_slowly(glob.as_bytes(), name.as_bytes()));
    }

    #[test]
    fn a_list_is_the_same_after_it_was_printed(list in "!?[a*][ab*?]{0,4}[b*](,!?[a*][ab*?]{0,4}[b*]){0,3}") {
        let parsed: NamespaceList = list.parse().unwrap();
        prop_assert_eq!(parsed.to_string().parse::<NamespaceList>().unwrap(), parsed);
    }
}
