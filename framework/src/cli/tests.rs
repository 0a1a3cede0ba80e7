use super::{
    Checks, Program, answer,
    arguments::{Action, Arguments, NoOptions, Parsed, Run},
    crd, handlers, settings,
};
use crate::{
    AnyKind, Name, Result,
    filter::Match,
    handler::{Activity, Handler, OnError, Registry, SourceLocation},
    index,
    logging::Verbosity,
    on_create, on_delete, on_event, on_field, on_probe, on_resume, on_startup, on_update,
    operator::Operator,
    settings::Settings,
};
use clap::error::ErrorKind;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    convert::Infallible,
    ffi::OsString,
    process::ExitCode,
    sync::{Arc, Mutex},
    time::Duration,
};

#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "korf.dev", version = "v1", kind = "Table", namespaced)]
struct TableSpec {
    columns: Vec<String>,
}

async fn nothing(_name: Name) -> Result {
    Ok(())
}

fn some_handlers() -> Registry {
    let at = |line, handler: Handler| Handler {
        location: SourceLocation { file: "src/main.rs", line, column: 1 },
        ..handler
    };
    let update =
        on_update::<Table>("alter").definition().retries(5).backoff(Duration::from_secs(10)).run(nothing);
    let create = on_create::<ConfigMap>("c").timeout(Duration::from_millis(1500)).run(nothing);
    let delete = on_delete::<Table>("drop").errors(OnError::Ignored).run(nothing);
    let field = on_field::<Table>("f", "spec.columns").label("app", "web").when(|| true);
    let resume = on_resume::<Table>("r").deleted().annotation("a/b", Match::Absent).run(nothing);
    let event = on_event::<ConfigMap>("e").run(nothing);
    [
        at(7, delete),
        at(8, on_delete::<Table>("gone").optional().release_on_failure().run(nothing)),
        at(9, field.old(Match::passes(serde_json::Value::is_array)).run(nothing)),
        at(10, resume),
        at(20, update),
        at(100, create),
        at(101, event),
        at(102, index::<ConfigMap>("i").labels("a").errors(OnError::Permanent).run(|| Some((1, 2)))),
    ]
    .into_iter()
    .collect()
}

/// A command line of a command that each operator has.
fn common(
    program: &Program,
    words: impl IntoIterator<Item = OsString>,
) -> Result<Arguments<NoOptions>, clap::Error> {
    match Arguments::parse(program, words)? {
        Parsed::Common(arguments) => Ok(arguments),
        Parsed::Own(number, _) => panic!("it is the program's own command {number}"),
    }
}

fn parse(line: &str) -> Result<Run<NoOptions>, ErrorKind> {
    let words = std::iter::once("op").chain(line.split(' ')).map(Into::into);
    match common(&Program::new("op").version("1.2.3"), words) {
        Ok(Arguments { action: Action::Run(run) }) => Ok(run),
        Ok(_) => panic!("not run"),
        Err(error) => Err(error.kind()),
    }
}

#[test]
fn namespaces_are_chosen_by_name_or_all() {
    for (line, named, all) in [
        ("run", &[][..], false),
        ("run -A", &[], true),
        ("run --all-namespaces", &[], true),
        ("run -n a --namespace b", &["a", "b"], false),
        ("run -n a,b-2", &["a,b-2"], false),
        ("run -n team-*,!team-x -n default", &["team-*,!team-x", "default"], false),
        ("run -n !kube-*", &["!kube-*"], false),
    ] {
        let run = parse(line).unwrap();
        assert_eq!(
            (run.namespaces.named.as_slice(), run.namespaces.all),
            (&named.iter().map(ToString::to_string).collect::<Vec<_>>()[..], all),
            "{line}"
        );
    }
}

#[test]
fn verbosity_is_one_of_four() {
    for (line, verbosity) in [
        ("run", Verbosity::Normal),
        ("run -v", Verbosity::Verbose),
        ("run --debug", Verbosity::Debug),
        ("run -q", Verbosity::Quiet),
    ] {
        assert_eq!(parse(line).unwrap().logs.logging().verbosity, verbosity, "{line}");
    }
}

#[test]
fn wrong_lines_are_rejected() {
    for (line, kind) in [
        ("run -A -n a", ErrorKind::ArgumentConflict),
        ("run -v -q", ErrorKind::ArgumentConflict),
        ("run -n Upper", ErrorKind::ValueValidation),
        ("run -n -a", ErrorKind::UnknownArgument),
        ("run -n a-", ErrorKind::ValueValidation),
        ("run -n a.b", ErrorKind::ValueValidation),
        ("run -n a,", ErrorKind::ValueValidation),
        ("run -n Team-*", ErrorKind::ValueValidation),
        ("run -n team-* -n !team-x", ErrorKind::ArgumentConflict),
        ("run --log-format xml", ErrorKind::InvalidValue),
        ("run --set requests.timeout=1", ErrorKind::ValueValidation),
        ("run --set requests.timeout", ErrorKind::ValueValidation),
        ("run --set nothing=1s", ErrorKind::ValueValidation),
        ("run --set health.turn_limit=0s", ErrorKind::ValueValidation),
        ("run --health-addr 8080", ErrorKind::ValueValidation),
        ("run --liveness https://0.0.0.0:8080/healthz", ErrorKind::ValueValidation),
        ("run --health-addr [::]:80 --liveness http://[::]:80/readyz", ErrorKind::ArgumentConflict),
        ("run --standalone --peering a", ErrorKind::ArgumentConflict),
        ("run --peering A", ErrorKind::ValueValidation),
        ("run --priority high", ErrorKind::ValueValidation),
        ("freeze -P a -t 0", ErrorKind::ValueValidation),
        ("freeze -P a", ErrorKind::MissingRequiredArgument),
        ("freeze -t 1", ErrorKind::MissingRequiredArgument),
        ("freeze -P a -t 1 -A -n b", ErrorKind::ArgumentConflict),
        ("resume", ErrorKind::MissingRequiredArgument),
        ("run --metrics-addr 8080", ErrorKind::ValueValidation),
        ("run --metrics-addr [::]:80 --liveness http://[::]:80/metrics", ErrorKind::ArgumentConflict),
        ("run --shards 0", ErrorKind::ValueValidation),
        ("run --shards 257", ErrorKind::ValueValidation),
        ("run --lease-namespace team-*", ErrorKind::ValueValidation),
        ("run --set leases.duration=0s", ErrorKind::ValueValidation),
        ("walk", ErrorKind::InvalidSubcommand),
        ("--version", ErrorKind::DisplayVersion),
    ] {
        assert_eq!(parse(line).map(drop), Err(kind), "{line}");
    }
}

#[test]
fn settings_are_given_by_name_and_listed_with_their_variables() {
    let options = parse("run --set requests.timeout=10s --set queueing.concurrency=8").unwrap();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(options.settings, [pair("requests.timeout", "10s"), pair("queueing.concurrency", "8")]);
    let mut out = Vec::new();
    settings::print(&Settings::default(), &mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    let line = out.lines().find(|line| line.starts_with("requests.timeout ")).unwrap();
    let columns: Vec<_> = line.split_whitespace().collect();
    assert_eq!(columns, ["requests.timeout", "30s", "KORF_SET_REQUESTS_TIMEOUT"]);
}

#[test]
fn definitions_are_yaml_documents_and_built_in_kinds_a_note() {
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    crd::print(&some_handlers(), &mut out, &mut notes).unwrap();
    let (out, notes) = (String::from_utf8(out).unwrap(), String::from_utf8(notes).unwrap());
    assert_eq!(out.matches("---\n").count(), 1, "{out}");
    assert!(out.contains("\n  name: tables.korf.dev\n"), "{out}");
    assert_eq!(notes, "ConfigMap (v1) has no definition here: it is built in, or defined elsewhere.\n");
}

#[test]
fn a_definition_is_what_its_yaml_says() {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition as Definition;
    let mut out = Vec::new();
    crd::print(&some_handlers(), &mut out, &mut Vec::new()).unwrap();
    let read: Definition = serde_saphyr::from_str(str::from_utf8(&out).unwrap()).unwrap();
    assert_eq!(read, <Table as kube::CustomResourceExt>::crd());
}

#[test]
fn handlers_are_listed_in_aligned_columns() {
    let mut out = Vec::new();
    handlers::print(&some_handlers(), &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "\
KIND                 ON      ID              OPTIONS                                               SOURCE
Table (korf.dev/v1)  delete  drop            errors=ignored                                        src/main.rs:7
Table (korf.dev/v1)  delete  gone            optional release_on_failure                           src/main.rs:8
Table (korf.dev/v1)  field   f/spec.columns  labels[app]=\"web\" field=spec.columns old=passes when  src/main.rs:9
Table (korf.dev/v1)  resume  r               deleted annotations[a/b]=absent                       src/main.rs:10
Table (korf.dev/v1)  update  alter           retries=5 backoff=10s                                 src/main.rs:20
ConfigMap (v1)       create  c               timeout=1.5s                                          src/main.rs:100
ConfigMap (v1)       event   e               -                                                     src/main.rs:101
ConfigMap (v1)       index   i               labels[a]=present errors=permanent                    src/main.rs:102
"
    );
}

#[test]
fn a_handler_of_any_kind_is_listed_with_what_its_kinds_are_and_has_no_definition() {
    let at = |line| SourceLocation { file: "src/main.rs", line, column: 1 };
    let selective = on_event::<AnyKind>("some").category("all").group("apps").kinds(|_| true).run(nothing);
    let registry = Registry::from_iter([
        Handler { location: at(1), ..on_event::<AnyKind>("all").run(nothing) },
        Handler { location: at(2), ..selective },
    ]);
    let mut out = Vec::new();
    handlers::print(&registry, &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "\
KIND     ON     ID    OPTIONS                        SOURCE
AnyKind  event  all   -                              src/main.rs:1
AnyKind  event  some  category=all group=apps kinds  src/main.rs:2
"
    );
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    crd::print(&registry, &mut out, &mut notes).unwrap();
    assert_eq!(notes, b"");
}

#[test]
fn activities_are_listed_first_and_each_with_the_operator_that_it_is_for() {
    let at = |line| SourceLocation { file: "src/main.rs", line, column: 1 };
    let probe = Activity { location: at(2), ..on_probe("count").run(async || Ok(1)) };
    let startup = on_startup("begin").retries(2).operator("north").run(async || {});
    let mut registry = Registry::default();
    registry.add_activity(probe);
    registry.add_activity(Activity { location: at(1), ..startup });
    let handler = on_create::<ConfigMap>("c").operator("south").run(nothing);
    registry.add(Handler { location: at(3), ..handler });
    let elsewhere = on_create::<ConfigMap>("d").operator("north").run(nothing);
    registry.add_for("south", Handler { location: at(4), ..elsewhere }.into());
    let mut out = Vec::new();
    handlers::print(&registry, &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "\
KIND            ON       ID     OPTIONS                   SOURCE
-               startup  begin  operator=north retries=2  src/main.rs:1
-               probe    count  -                         src/main.rs:2
ConfigMap (v1)  create   c      operator=south            src/main.rs:3
Left out, since it is for operators of the name \"north\" alone: d, src/main.rs:4
"
    );
}

/// Greet somebody
#[derive(clap::Parser)]
#[command(name = "greet")]
struct Greet {
    /// Whom
    name: String,
}

/// A program with a command of its own.
fn greeter(greeted: &Arc<Mutex<Vec<String>>>) -> Program {
    let greeted = Arc::clone(greeted);
    Program::new("greeter").command(async move |greet: Greet| {
        greeted.lock().unwrap().push(greet.name);
        ExitCode::from(3)
    })
}

/// Compare with nothing
#[derive(clap::Parser)]
#[command(name = "diff")]
struct Diff {}

#[test]
fn a_command_to_which_2_means_something_else_has_another_exit_code_where_it_is_misused() {
    let program = || greeter(&Arc::default()).command(async |_: Diff| ExitCode::from(2)).misused(64);
    for (line, code) in [
        ("diff", 2),
        ("diff --unknown", 64),
        ("diff too much", 64),
        ("diff --help", 0),
        ("greet", 2),
        ("--unknown diff", 2),
        ("unknown diff", 2),
    ] {
        let words = format!("greeter {line}");
        let words = words.split(' ').map(OsString::from);
        let set_up = async |operator: Operator, _: NoOptions| Ok::<_, Infallible>(operator);
        let ended = answer(program(), words, set_up, async |_, _: &Checks| {});
        assert_eq!(format!("{ended:?}"), format!("{:?}", ExitCode::from(code)), "{line}");
    }
}

#[test]
fn a_program_has_commands_of_its_own_beside_those_of_all_operators() {
    let greeted = Arc::default();
    let run = |line: &str| {
        let words = format!("greeter {line}");
        let set_up = async |operator: Operator, _: NoOptions| Ok::<_, Infallible>(operator);
        let words = words.split(' ').map(OsString::from);
        let code = answer(greeter(&greeted), words, set_up, async |_, _: &Checks| {});
        format!("{code:?}")
    };
    assert_eq!(run("greet Eva"), format!("{:?}", ExitCode::from(3)));
    assert_eq!(run("greet"), format!("{:?}", ExitCode::from(2)));
    assert_eq!(run("handlers"), format!("{:?}", ExitCode::SUCCESS));
    assert_eq!(*greeted.lock().unwrap(), ["Eva"]);
    let Err(help) =
        Arguments::<NoOptions>::parse(&greeter(&greeted), ["greeter", "--help"].map(OsString::from))
    else {
        panic!("--help is no command line")
    };
    let help = help.to_string();
    assert!(help.contains("Greet somebody") && help.contains("Handle objects"), "{help}");
}
