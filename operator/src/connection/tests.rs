use super::*;
use proptest::prelude::*;

fn read(url: &str, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let find = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Settings::read(Some(url), find)
}

fn target(url: &str, variables: &[(&str, &str)]) -> String {
    read(url, variables).unwrap().target()
}

#[test]
fn both_forms_and_the_variables_lead_to_the_same_database() {
    let expected = "database shop at db:5433 as eva, sslmode verify-full";
    let variables = [
        ("PGHOST", "db"),
        ("PGPORT", "5433"),
        ("PGUSER", "eva"),
        ("PGDATABASE", "shop"),
        ("PGSSLMODE", "verify-full"),
    ];
    for (url, variables) in [
        ("postgres://eva:pw@db:5433/shop?sslmode=verify-full", &[][..]),
        ("postgresql://eva@db:5433/shop?sslmode=verify%2Dfull&connect_timeout=3", &[]),
        ("host=db port=5433 user=eva dbname=shop password='p w' sslmode=verify-full", &[]),
        ("host = 'db' port = 5433 user=eva dbname=shop sslmode = verify-full ", &[]),
        ("", &variables),
        ("postgres://", &variables),
        ("host=db", &variables),
        (
            "postgres://db:5433?sslmode=verify-full",
            &[("PGUSER", "eva"), ("PGDATABASE", "shop"), ("PGSSLMODE", "disable")],
        ),
    ] {
        assert_eq!(target(url, variables), expected, "{url}");
    }
}

#[test]
fn database_and_user_default_to_the_current_user() {
    for (url, expected) in [
        ("postgres://db", "database of the current user at db:5432, sslmode prefer"),
        ("postgres://db/shop", "database shop at db:5432 as the current user, sslmode prefer"),
        ("postgres://eva@db", "database eva at db:5432 as eva, sslmode prefer"),
        ("host=a,b port=1,2 user=eva", "database eva at a:1,b:2 as eva, sslmode prefer"),
        ("host=a,b port=5433 user=eva", "database eva at a:5433,b:5433 as eva, sslmode prefer"),
        ("hostaddr=10.0.0.1 user=eva", "database eva at 10.0.0.1:5432 as eva, sslmode prefer"),
        (
            "host=/run/postgresql dbname=shop user=eva",
            "database shop at /run/postgresql as eva, sslmode prefer",
        ),
    ] {
        assert_eq!(target(url, &[]), expected, "{url}");
    }
}

#[test]
fn the_text_takes_precedence_over_variables() {
    let settings =
        read("postgres://eva:mine@db/shop", &[("PGPASSWORD", "other"), ("PGHOST", "elsewhere")]).unwrap();
    assert_eq!(settings.config.get_password(), Some(&b"mine"[..]));
    let settings = read("postgres://eva@db/shop", &[("PGPASSWORD", "other")]).unwrap();
    assert_eq!(settings.config.get_password(), Some(&b"other"[..]));
}

#[test]
fn each_sslmode_verifies_what_libpq_verifies() {
    use tls::Verify::{Chain, Full, Nothing};
    for (options, offer, verify) in [
        ("", PgSslMode::Prefer, Some(Nothing)),
        ("?sslmode=disable", PgSslMode::Disable, None),
        ("?sslmode=prefer", PgSslMode::Prefer, Some(Nothing)),
        ("?sslmode=require", PgSslMode::Require, Some(Nothing)),
        ("?sslmode=require&sslrootcert=/ca.crt", PgSslMode::Require, Some(Chain)),
        ("?sslmode=verify-ca", PgSslMode::Require, Some(Chain)),
        ("?sslmode=verify-full&sslrootcert=system", PgSslMode::Require, Some(Full)),
    ] {
        let settings = read(&format!("postgres://db/x{options}"), &[]).unwrap();
        assert_eq!((settings.config.get_ssl_mode(), settings.verification()), (offer, verify), "{options}");
    }
    let socket = read("host=/run/postgresql sslmode=require", &[]).unwrap();
    assert_eq!((socket.config.get_ssl_mode(), socket.verification()), (PgSslMode::Disable, None));
}

#[test]
fn an_error_names_the_mistake_and_quotes_nothing() {
    for (url, why) in [
        ("", SettingsError::NoDatabase),
        ("postgres://eva:secret@", SettingsError::NoDatabase),
        ("mysql://eva:secret@db/x", SettingsError::Syntax),
        ("secret", SettingsError::Syntax),
        ("host=db password='secret", SettingsError::Syntax),
        ("postgres://eva:secret@db:port/x", SettingsError::Syntax),
        ("postgres://eva:s@secret@db/x", SettingsError::Syntax),
        ("postgres://eva:secret@db/x?sslmode", SettingsError::Syntax),
        ("postgres://eva:secret@db/x?sslmode=%zz", SettingsError::Syntax),
        ("postgres://db/x?secret=1", SettingsError::UnknownOption),
        ("host=db secret=1", SettingsError::UnknownOption),
        ("postgres://db/x?sslmode=secret", SettingsError::SslMode),
        ("postgres://db/x?sslmode=allow", SettingsError::SslMode),
        ("postgres://db/x?connect_timeout=secret", SettingsError::OptionValue("connect_timeout")),
        ("host=db port=secret", SettingsError::OptionValue("port")),
        ("postgres://db/x?sslcert=secret", SettingsError::UnsupportedOption("sslcert")),
    ] {
        let error = read(url, &[]).expect_err(url);
        assert_eq!(error, why, "{url}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
    assert_eq!(read("host=db", &[("PGPORT", "secret")]).unwrap_err(), SettingsError::Variable("PGPORT"));
}

#[test]
fn question_marks_in_a_password_are_part_of_it_as_in_tokio_postgres() {
    let settings = read("postgres://eva:a?b&c=d@db/x?sslmode=disable", &[]).unwrap();
    assert_eq!(settings.config.get_password(), Some(&b"a?b&c=d"[..]));
    assert_eq!(settings.ssl_mode, SslMode::Disable);
}

#[test]
fn defaults_suit_a_long_running_process() {
    let settings = read("postgres://db/x", &[]).unwrap();
    let config = &settings.config;
    assert_eq!(config.get_application_name(), Some("database-table-operator"));
    assert_eq!(config.get_connect_timeout(), Some(&CONNECT_TIMEOUT));
    assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
    assert!(config.get_keepalives() && config.get_tcp_user_timeout().is_some());
    let asked =
        read("postgres://db/x?target_session_attrs=any&connect_timeout=3&application_name=me", &[]).unwrap();
    assert_eq!(asked.config.get_target_session_attrs(), TargetSessionAttrs::Any);
    assert_eq!(asked.config.get_connect_timeout(), Some(&Duration::from_secs(3)));
    assert_eq!(asked.config.get_application_name(), Some("me"));
}

#[test]
fn the_error_names_an_unreadable_root_certificate() {
    let file = std::env::temp_dir().join(format!("korf-no-certificate-{}", std::process::id()));
    let pool =
        |path: &str| read(&format!("host=db sslmode=verify-ca sslrootcert={path}"), &[]).unwrap().pool(1);
    let error = pool(file.to_str().unwrap()).err().map(|error| error.to_string()).unwrap();
    assert!(
        error.contains("no certificates can be read") && error.contains("korf-no-certificate"),
        "{error}"
    );
    std::fs::write(&file, "nothing").unwrap();
    let error = pool(file.to_str().unwrap()).err().map(|error| error.to_string()).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(error.contains("it contains none"), "{error}");
}

proptest! {
    #[test]
    fn no_password_is_printed(password in "[A-Za-z0-9]{12,20}", value in "(?s).{0,9}") {
        let encoded: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let whole = format!("{password}{value}");
        let kv = value.replace('\\', "\\\\").replace('\'', "\\'");
        for url in [
            format!("postgres://eva:{password}{encoded}@db/x"),
            format!("postgres://db/x?password={password}{encoded}"),
            format!("host=db user=eva password='{password}{kv}'"),
        ] {
            let settings = read(&url, &[]).unwrap();
            prop_assert_eq!(settings.config.get_password(), Some(whole.as_bytes()));
            let shown = format!("{settings:?} {}", settings.target());
            prop_assert!(!shown.contains(&password), "{}", shown);
        }
    }

    #[test]
    fn no_text_causes_a_panic_or_is_quoted(text in "(postgres://|host=)?[a-z@:/?&=%' \\\\]{0,30}") {
        let marked = text.replace('q', "QQQQ");
        if let Err(error) = read(&marked, &[]) {
            let printed = format!("{error:?} {error}");
            prop_assert!(!printed.contains("QQQQ"));
        }
    }
}
