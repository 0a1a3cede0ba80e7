use super::{Registry, StartError};
use crate::{
    Index, Name, Result, State,
    core::storage::StorageConfig,
    diff::Field,
    extract::Param,
    filter::Match,
    handler::{Handler, SourceLocation, States},
    index, on_create, on_delete, on_event, on_field, on_resume, on_update,
};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use serde_json::{Value, json};
use std::{any::TypeId, sync::Arc};

async fn plain(_name: Name) -> Result {
    Ok(())
}

async fn counting(_count: State<u8>) -> Result {
    Ok(())
}

async fn counted(_count: Param<u8>) -> Result {
    Ok(())
}

async fn looking(_index: Index<u8, u16>) -> Result {
    Ok(())
}

fn at(line: u32, handler: Handler) -> Handler {
    Handler { location: SourceLocation { file: "src/main.rs", line, column: 1 }, ..handler }
}

fn check(handlers: impl IntoIterator<Item = Handler>) -> Result<(), StartError> {
    handlers.into_iter().collect::<Registry>().check(&States::default())
}

#[test]
fn handlers_for_other_operators_are_left_out_and_named_where_none_is_left() {
    let handler = |line, operator: &str| at(line, on_create::<ConfigMap>("f").operator(operator).run(plain));
    let mut registry = Registry::default();
    for handler in [handler(3, "south"), handler(2, "north"), handler(1, "south")] {
        registry.add_for("nroth", handler.into());
    }
    let left_out: Vec<_> =
        registry.left_out().iter().map(|one| (one.location.line, &*one.operator)).collect();
    assert_eq!(left_out, [(1, "south"), (2, "north"), (3, "south")]);
    let error = registry.check(&States::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no handler is registered for this operator: handlers are for operators of other names (`north`, `south`); give \
         the operator such a name, or leave out `operator = \"…\"`"
    );
    registry.add_for("north", handler(2, "north").into());
    assert_eq!(registry.check(&States::default()), Ok(()));
}

#[test]
fn mistakes_are_found_and_explained() {
    for (handlers, said) in [
        (
            vec![],
            "no handler is registered: put `#[korf::on_create(Kind)]` on a function; if they are in another crate, \
             link it by `use that_crate as _;`",
        ),
        (
            vec![
                at(9, on_create::<ConfigMap>("f").run(plain)),
                at(3, on_create::<ConfigMap>("f").run(plain)),
            ],
            "two create handlers of ConfigMap are called `f`, at src/main.rs:3 and at src/main.rs:9: give one of them \
             `id = \"…\"`",
        ),
        (
            vec![
                at(1, on_create::<ConfigMap>("f/x").run(plain)),
                at(2, on_create::<ConfigMap>("f.x").run(plain)),
            ],
            "two create handlers of ConfigMap are called `f.x`, at src/main.rs:1 and at src/main.rs:2: give one of \
             them `id = \"…\"`",
        ),
        (
            vec![at(5, on_update::<ConfigMap>("").run(plain))],
            "the handler at src/main.rs:5 has an empty id: give it a name",
        ),
        (
            vec![
                at(5, on_update::<ConfigMap>("touch/dummy").run(plain)),
                at(6, on_update::<ConfigMap>("korf-basis").run(plain)),
            ],
            "the handler at src/main.rs:6 is called `korf-basis`, under which korf stores something of its own: give it \
             another name by `id = \"…\"`",
        ),
        (
            vec![at(5, on_update::<ConfigMap>("f").run(counting))],
            "handler `f` at src/main.rs:5 takes `State<u8>`: give the operator `.state(…)` of that type, or let a start-up \
             handler provide it",
        ),
        (
            vec![at(5, on_update::<ConfigMap>("f").run(looking))],
            "handler `f` at src/main.rs:5 takes `Index<u8, u16>`, which no function fills: put `#[korf::index(Kind)]` on one \
             that returns such keys and values",
        ),
        (
            vec![
                at(5, index::<ConfigMap>("f").run(|| (1_u8, 2_u16))),
                at(6, index::<Secret>("f").run(|| Some((1_u8, 2_u16)))),
                at(7, index::<ConfigMap>("g").run(|| vec![(1_u8, 2_u8)])),
                at(8, index::<Secret>("h").run(|| [(1_u8, 2_u16)])),
                at(9, on_update::<ConfigMap>("f").run(looking)),
            ],
            "index functions `f` at src/main.rs:5 and `h` at src/main.rs:8 both fill `Index<u8, u16>`: wrap the key or the \
             value of one of them in a type of its own",
        ),
        (
            vec![at(5, on_update::<ConfigMap>("f").run(counted))],
            "handler `f` at src/main.rs:5 takes `Param<u8>`: give it `param = …`",
        ),
        (
            vec![at(5, on_update::<ConfigMap>("f").param("x").run(counted))],
            "handler `f` at src/main.rs:5 takes `Param<u8>`, but its `param` is of type `&str`",
        ),
        (
            vec![at(5, on_field::<ConfigMap>("f", "").run(plain))],
            "handler `f` at src/main.rs:5 is for a field, but names none: give it a `field`",
        ),
        (
            vec![at(5, on_update::<ConfigMap>("f").old(1).run(plain))],
            "handler `f` at src/main.rs:5 has a `value`, `old` or `new`, but of no field: give it a `field`",
        ),
        (
            vec![at(5, on_update::<ConfigMap>("f").labels("app=web,").run(plain))],
            "handler `f` at src/main.rs:5 is not for any object: `app=web,` is not a selector of labels: a key is missing",
        ),
        (
            vec![at(5, on_update::<ConfigMap>("f").label("mirror", true).run(plain))],
            "handler `f` at src/main.rs:5 is not for any object: the label `mirror` is never `true`, since labels are text: \
             write `\"true\"`",
        ),
        (
            vec![at(5, on_event::<ConfigMap>("f").field(".data").run(plain))],
            "handler `f/.data` at src/main.rs:5 is not for any object: no object has a field `.data`: write `data`",
        ),
        (
            vec![at(5, on_update::<ConfigMap>("f").field("data").value(1).new(2).run(plain))],
            "handler `f/data` at src/main.rs:5 has a `value` (before or after a change) together with `old` or `new`: \
             leave one of them out",
        ),
        (
            vec![
                at(1, on_update::<ConfigMap>("f").param(1_u8).run(counted)),
                at(2, on_update::<ConfigMap>("f").param(2_u8).run(counted)),
            ],
            "two update handlers of ConfigMap are called `f`, at src/main.rs:1 and at src/main.rs:2: give one of them \
             `id = \"…\"`",
        ),
    ] {
        assert_eq!(check(handlers).unwrap_err().to_string(), said);
    }
}

#[test]
fn a_change_handler_is_for_a_field_that_the_essence_has() {
    let storage = StorageConfig::default().storage("mine").unwrap();
    let check = |field: [&str; 3]| {
        let field = field.into_iter().filter(|key| !key.is_empty()).collect::<Field>();
        let handlers = [
            at(4, on_event::<ConfigMap>("f").field(field.clone()).run(plain)),
            at(5, on_field::<ConfigMap>("f", field).run(plain)),
        ];
        handlers.into_iter().collect::<Registry>().check_essence(&storage).map_err(|error| error.to_string())
    };
    for field in
        [["status", "phase", ""], ["metadata", "finalizers", ""], ["metadata", "annotations", "a.dev/b"]]
    {
        check(field).unwrap();
    }
    for field in [
        ["metadata", "generation", ""],
        ["metadata", "resourceVersion", ""],
        ["metadata", "annotations", "mine.korf.dev/b"],
        ["metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"],
    ] {
        let path = field.join(".");
        let path = path.trim_end_matches('.');
        assert_eq!(
            check(field).unwrap_err(),
            format!(
                "handler `f/{path}` at src/main.rs:5 is not for any object: `{path}` is no part of the essence, whose \
                 changes it is called for, since the system or an operator writes it: take `on_event`"
            )
        );
    }
}

#[test]
fn a_secrets_data_is_not_compared_with_values() {
    let storage = StorageConfig::default().storage("mine").unwrap();
    let check = |handler| Registry::from_iter([at(5, handler)]).check_essence(&storage);
    check(on_update::<Secret>("f").field("data.a").old(Match::Absent).new(Match::Present).run(plain))
        .unwrap();
    check(on_event::<Secret>("f").field("data.a").value("YQ==").run(plain)).unwrap();
    let one_of = |values: [Value; 2]| Match::OneOf(values.into());
    check(on_update::<Secret>("f").field("data.a").new(one_of([Value::Null, "YQ==".into()])).run(plain))
        .unwrap();
    check(on_field::<Secret>("f", "data").new(json!({})).run(plain)).unwrap();
    for (field, handler) in [
        ("data.a", on_create::<Secret>("f").field("data.a").value("YQ==").run(plain)),
        ("data.a", on_field::<Secret>("f", "data.a").old(one_of(["YQ==".into(), "Yg==".into()])).run(plain)),
        ("data", on_field::<Secret>("f", "data").new(json!({"a": "YQ=="})).run(plain)),
    ] {
        assert_eq!(
            check(handler).unwrap_err().to_string(),
            format!(
                "handler `f/{field}` at src/main.rs:5 is not for any object: change handlers get the essence, where \
                 `{field}` is never such a value (of a Secret's data, it has digests): take a condition, `when = …`"
            )
        );
    }
}

#[test]
fn one_id_may_stand_for_several_reasons_and_kinds() {
    check([
        on_create::<ConfigMap>("f").run(plain),
        on_update::<ConfigMap>("f").run(plain),
        on_delete::<ConfigMap>("f").run(plain),
        on_resume::<ConfigMap>("f").run(plain),
        on_field::<ConfigMap>("f", "data").run(plain),
        on_field::<ConfigMap>("f", "metadata.labels").run(plain),
        on_create::<Secret>("f").run(plain),
    ])
    .unwrap();
}

#[test]
fn a_state_that_is_there_is_no_mistake() {
    let registry: Registry = [on_create::<ConfigMap>("f").run(counting)].into_iter().collect();
    registry.check(&States::from([(TypeId::of::<u8>(), Arc::new(1_u8) as _)])).unwrap();
}

#[test]
fn handlers_stand_in_the_order_of_the_source() {
    let handler = |id: &str, (file, line, column)| Handler {
        location: SourceLocation { file, line, column },
        ..on_create::<ConfigMap>(id).run(plain)
    };
    let registry: Registry = [
        handler("d", ("src/b.rs", 1, 1)),
        handler("c", ("src/a.rs", 30, 1)),
        handler("b", ("src/a.rs", 4, 9)),
        handler("a", ("src/a.rs", 4, 9)),
    ]
    .into_iter()
    .collect();
    let ids: Vec<_> = registry.handlers().iter().map(|handler| handler.id()).collect();
    assert_eq!(ids, ["a", "b", "c", "d"]);
}

#[test]
fn handlers_of_one_kind_are_of_one_version() {
    let mut newer = at(7, on_create::<ConfigMap>("g").run(plain));
    newer.kind.resource.version = "v2".into();
    let error = check([at(3, on_create::<ConfigMap>("f").run(plain)), newer]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "handlers are for ConfigMap in version v1 at src/main.rs:3, and in version v2 at src/main.rs:7: an object is \
         handled in one version, so let all take the same type"
    );
}
