use super::*;
use crate::filter::selector;
use serde_json::json;

fn label(key: &str, wanted: impl Into<Match>) -> Filter {
    labels(vec![(key.to_owned(), wanted.into())])
}

fn labels(labels: Vec<(String, Match)>) -> Filter {
    Filter { labels, ..Filter::default() }
}

fn annotation(key: &str, wanted: impl Into<Match>) -> Filter {
    Filter { annotations: vec![(key.to_owned(), wanted.into())], ..Filter::default() }
}

fn field(field: impl Into<Field>) -> Filter {
    Filter { field: Some(field.into()), ..Filter::default() }
}

fn change(old: impl Into<Match>, new: impl Into<Match>) -> Filter {
    Filter { old: Some(old.into()), new: Some(new.into()), ..field("spec.size") }
}

#[test]
fn what_kubernetes_does_not_allow_is_said() {
    for (filter, why) in [
        (
            label("mirror", true),
            "the label `mirror` is never `true`, since labels are text: write `\"true\"`",
        ),
        (label("size", 5), "the label `size` is never `5`, since labels are text: write `\"5\"`"),
        (label("size", json!([1])), "the label `size` is never a list or a mapping, since labels are text"),
        (
            annotation("note", 1.5),
            "the annotation `note` is never `1.5`, since annotations are text: write `\"1.5\"`",
        ),
        (label("a b", "x"), &format!("`a b` can't be the key of a label: {A_KEY}")),
        (label("Example.com/a", "x"), &format!("`Example.com/a` can't be the key of a label: {A_KEY}")),
        (annotation("a/b/c", Match::Present), &format!("`a/b/c` can't be the key of an annotation: {A_KEY}")),
        (label("app", "two words"), &format!("`two words` can't be the value of a label: {A_VALUE}")),
        (
            label("app", Match::OneOf(vec!["b c".into(), 5.into()])),
            &format!("`b c` can't be the value of a label: {A_VALUE}"),
        ),
        (
            label("a b", Match::NoneOf(vec![Value::Null])),
            &format!("`a b` can't be the key of a label: {A_KEY}"),
        ),
        (field(".data"), "no object has a field `.data`: write `data`"),
        (field("spec..size"), "no object has a field `spec..size`: write `spec.size`"),
        (
            field("/spec/size"),
            "no object has a field `/spec/size`: a field is its keys with dots between them, such as `spec.size`",
        ),
        (
            field("metadata.labels.app.kubernetes.io/name"),
            "no object has a field `metadata.labels.app.kubernetes.io/name`, since labels have no fields; a key with \
             dots is part of a list: `[\"metadata\", \"labels\", \"app.kubernetes.io/name\"]`",
        ),
        (
            field(["metadata", "labels", "a", "b"]),
            "no object has a field `metadata.labels.a.b`, since labels have no fields; \
          a key with dots is part of a list: `[\"metadata\", \"labels\", \"a.b\"]`",
        ),
        (field("metadata.labels.a b"), &format!("`a b` can't be the key of a label: {A_KEY}")),
        (field("metadata.managedFields"), "korf doesn't read `metadata.managedFields`"),
        (
            Filter { value: Some(true.into()), ..field("metadata.labels.mirror") },
            "the label `mirror` is never `true`, since labels are text: write `\"true\"`",
        ),
    ] {
        assert_eq!(filter.check(), Err(why.to_owned()), "{filter:?}");
    }
}

#[test]
fn what_excludes_itself_is_said() {
    let exclusive = Err("the conditions on the label `app` exclude each other".to_owned());
    for selected in ["app=a,app=b", "app,!app", "app=a,!app", "app=a,app!=a", "app in (a,b),app notin (a,b)"]
    {
        assert_eq!(labels(selector(selected).unwrap()).check(), exclusive, "{selected}");
    }
    let one_of = Match::OneOf(vec!["a".into(), "b c".into()]);
    let without_a =
        labels(vec![("app".to_owned(), one_of), ("app".to_owned(), Match::NoneOf(vec!["a".into()]))]);
    assert_eq!(without_a.check(), exclusive);
    let none = Err("the field `spec.size` can't have such a value".to_owned());
    assert_eq!(Filter { value: Some(Match::OneOf(vec![])), ..field("spec.size") }.check(), none);
    let unchanged = Err("`old` and `new` of the field `spec.size` are no change".to_owned());
    for filter in [change(5, 5), change(5, 5.0), change(Match::Absent, Match::Absent)] {
        assert_eq!(filter.check(), unchanged, "{filter:?}");
    }
}

#[test]
fn what_may_match_is_left_alone() {
    let dotted = ["metadata", "labels", "app.kubernetes.io/name"];
    for filter in [
        Filter::default(),
        labels(selector("app=a,app!=b,tier,!legacy,size in (s,m),size notin (m)").unwrap()),
        labels(selector("app!=a,app!=b").unwrap()),
        label("app", ""),
        label("app", Value::Null),
        label("app", Match::passes(|_| false)),
        label("app", Match::NoneOf(vec!["a".into(), "b c".into()])),
        label("app", Match::OneOf(vec!["a".into(), "b c".into()])),
        label("app", Match::OneOf(vec![5.into(), Value::Null])),
        label("a b", Match::Absent),
        label("a b", Match::NoneOf(vec!["a".into()])),
        annotation("a/b/c", Match::Absent),
        annotation("note", Match::NoneOf(vec![5.into()])),
        field(["my.field"]),
        field(["/spec/size"]),
        field(["spec", "", "x"]),
        annotation("Example.com/Note", "two words\n"),
        field("spec.size"),
        field(dotted),
        field("metadata.labels"),
        field("spec.a/b.c[0]"),
        Filter { value: Some("x".into()), ..field(dotted) },
        Filter { value: Some(Match::Absent), ..field("spec.size") },
        change(Match::Absent, Match::Present),
        change(Match::Present, Match::Present),
        change(5, Match::Present),
        change(5, Match::passes(|_| true)),
        change(1, true),
        Filter { old: Some(5.into()), ..field("spec.size") },
    ] {
        assert_eq!(filter.check(), Ok(()), "{filter:?}");
    }
}
