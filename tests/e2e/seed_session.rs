//! The session that the seed's README shows, and what it promises.

use crate::stage::{SEED_CR, Stage};
use serde_json::json;

/// What the README's operator prints, less the times.
const OUTPUT: [&str; 6] = [
    "kopf._core.engines.a [INFO    ] Initial authentication has been initiated.",
    "kopf.activities.auth [INFO    ] Activity 'login_via_client' succeeded.",
    "kopf._core.engines.a [INFO    ] Initial authentication has finished.",
    "root                 [INFO    ] Create handler invoked by custom resource website-users. Creating database table.",
    "kopf.objects         [INFO    ] [default/website-users] Handler 'create_handler' succeeded.",
    "kopf.objects         [INFO    ] [default/website-users] Creation is processed: 1 succeeded; 0 failed.",
];

#[tokio::test]
async fn the_seeds_session_goes_as_its_readme_shows() {
    let stage = Stage::new("seed-session").await;
    let installed = &stage.cluster.installed;
    assert_eq!(installed, "customresourcedefinition.apiextensions.k8s.io/databasetables.kopf.demo created\n");
    assert_eq!(stage.apply(SEED_CR), "databasetable.kopf.demo/website-users created\n");
    let listed = stage.kubectl_get(&["DatabaseTables"]);
    let words: Vec<_> = listed.split_whitespace().collect();
    assert_eq!((&words[..3], words.len()), (&["NAME", "AGE", "website-users"][..], 4), "{listed}");

    let mut operator = stage.operator().terse().start();
    operator.wait_for_line("Creation is processed").await;
    stage.until_ready("website-users").await;
    operator.kill_9();
    let lines = operator.lines();
    let (times, said): (Vec<_>, Vec<_>) = lines.iter().map(|line| line.split_once("] ").unwrap()).unzip();
    let here = format!("[{}/", stage.namespace);
    let said: Vec<_> = said.iter().map(|line| line.replace(&here, "[default/")).collect();
    assert_eq!(said, OUTPUT);
    times.iter().for_each(|time| assert!(is_time(time), "{time}"));
}

/// `[2022-03-18 12:12:40,130`
fn is_time(text: &str) -> bool {
    let pattern = "[0000-00-00 00:00:00,000";
    let fits = |(c, p): (char, char)| if p == '0' { c.is_ascii_digit() } else { c == p };
    text.len() == pattern.len() && text.chars().zip(pattern.chars()).all(fits)
}

#[tokio::test]
async fn the_seeds_table_is_as_described_and_the_status_says_so() {
    let stage = Stage::new("seed-table").await;
    stage.apply(SEED_CR);
    let _operator = stage.operator().start();
    let object = stage.until_ready("website-users").await;

    let columns = [
        ("user_id", "integer"),
        ("user_name", "character varying(50)"),
        ("user_email", "character varying(100)"),
        ("signup_date", "date"),
        ("last_login", "timestamp without time zone"),
    ];
    assert_eq!(stage.columns("website_users").await, columns.map(|(name, type_)| format!("{name} {type_}")));
    assert_eq!(stage.primary_key("website_users").await, ["user_id"]);
    // As a user of the database writes it.
    assert_eq!(stage.query("SELECT USER_NAME FROM WEBSITE_USERS").await, [""; 0]);

    let status = &object["status"];
    assert_eq!(status["table"], "public.website_users");
    assert_eq!(status["columns"], json!(columns.map(|(name, type_)| json!({"name": name, "type": type_}))));
    assert_eq!(status["primaryKey"], json!(["user_id"]));
}
