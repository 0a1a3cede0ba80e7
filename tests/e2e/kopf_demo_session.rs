//! The session that the Kopf demo's README shows.

use crate::fixture::{Fixture, KOPF_DEMO_CR};
use serde_json::json;

/// The output of the operator in that README, without the times.
const OUTPUT: [&str; 6] = [
    "kopf._core.engines.a [INFO    ] Initial authentication has been initiated.",
    "kopf.activities.auth [INFO    ] Activity 'login_via_client' succeeded.",
    "kopf._core.engines.a [INFO    ] Initial authentication has finished.",
    "root                 [INFO    ] Create handler invoked by custom resource website-users. Creating database table.",
    "kopf.objects         [INFO    ] [default/website-users] Handler 'create_handler' succeeded.",
    "kopf.objects         [INFO    ] [default/website-users] Creation is processed: 1 succeeded; 0 failed.",
];

#[tokio::test]
async fn the_session_of_the_kopf_demo_prints_the_same_as_in_its_readme() {
    let fixture = Fixture::new("kopf-demo-session").await;
    let install_output = &fixture.cluster.install_output;
    assert_eq!(
        install_output,
        "customresourcedefinition.apiextensions.k8s.io/databasetables.kopf.demo created\n"
    );
    assert_eq!(fixture.apply(KOPF_DEMO_CR), "databasetable.kopf.demo/website-users created\n");
    let listed = fixture.kubectl_get(&["DatabaseTables"]);
    let words: Vec<_> = listed.split_whitespace().collect();
    assert_eq!((&words[..3], words.len()), (&["NAME", "AGE", "website-users"][..], 4), "{listed}");

    let mut operator = fixture.operator().not_verbose().start();
    operator.wait_for_line("Creation is processed").await;
    fixture.until_ready("website-users").await;
    operator.kill_9();
    let lines = operator.lines();
    let (times, output): (Vec<_>, Vec<_>) = lines.iter().map(|line| line.split_once("] ").unwrap()).unzip();
    let namespace = format!("[{}/", fixture.namespace);
    let output: Vec<_> = output.iter().map(|line| line.replace(&namespace, "[default/")).collect();
    // Kopf says nothing of what it watches.
    let (own, output): (Vec<_>, Vec<_>) = output.into_iter().partition(|line| line.contains("] Watching "));
    assert_eq!(output, OUTPUT);
    assert_eq!(own.len(), 1, "{own:?}");
    times.iter().for_each(|time| assert!(is_time(time), "{time}"));
}

/// Whether a text looks like `[2022-03-18 12:12:40,130`.
fn is_time(text: &str) -> bool {
    let pattern = "[0000-00-00 00:00:00,000";
    let fits = |(c, p): (char, char)| if p == '0' { c.is_ascii_digit() } else { c == p };
    text.len() == pattern.len() && text.chars().zip(pattern.chars()).all(fits)
}

#[tokio::test]
async fn the_kopf_demos_table_is_created_and_reported_in_the_status() {
    let fixture = Fixture::new("kopf-demo-table").await;
    fixture.apply(KOPF_DEMO_CR);
    let _operator = fixture.operator().start();
    let object = fixture.until_ready("website-users").await;

    let columns = [
        ("user_id", "integer"),
        ("user_name", "character varying(50)"),
        ("user_email", "character varying(100)"),
        ("signup_date", "date"),
        ("last_login", "timestamp without time zone"),
    ];
    assert_eq!(
        fixture.columns("website_users").await,
        columns.map(|(name, type_)| format!("{name} {type_}"))
    );
    assert_eq!(fixture.primary_key("website_users").await, ["user_id"]);
    // Upper case, as the Kopf demo's README writes it.
    assert_eq!(fixture.query("SELECT USER_NAME FROM WEBSITE_USERS").await, [""; 0]);

    let status = &object["status"];
    assert_eq!(status["table"], "public.website_users");
    assert_eq!(status["columns"], json!(columns.map(|(name, type_)| json!({"name": name, "type": type_}))));
    assert_eq!(status["primaryKey"], json!(["user_id"]));
}
