use super::*;
use proptest::prelude::*;
use tokio_postgres::config::ChannelBinding;

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
        ("?sslrootcert=system", PgSslMode::Require, Some(Full)),
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
        ("postgres:///run/secret/x", SettingsError::NoDatabase),
        ("mysql://eva:secret@db/x", SettingsError::Syntax),
        ("secret", SettingsError::Syntax),
        ("host=db password='secret", SettingsError::Syntax),
        ("postgres://eva:secret@db:port/x", SettingsError::Syntax),
        ("postgres://eva:s/secret@db/x", SettingsError::AtSign),
        ("postgres://eva:5/secret@db/x", SettingsError::AtSign),
        ("postgres://eva:s@secret@db/x", SettingsError::AtSign),
        ("postgres://db?password=s@secret", SettingsError::AtSign),
        ("postgres://db?user=eva&password=s@secret", SettingsError::AtSign),
        ("postgres://eva:secret%@db/x", SettingsError::PercentEscape),
        ("postgres://eva:secret%4@db/x", SettingsError::PercentEscape),
        ("postgres://eva:secret%zz@db/x", SettingsError::PercentEscape),
        ("postgres://eva:secret%+1@db/x", SettingsError::PercentEscape),
        ("postgres://eva:secret%00@db/x", SettingsError::PercentEscape),
        ("postgres://eva%é:secret@db/x", SettingsError::PercentEscape),
        ("postgres://eva:secret@db/x%", SettingsError::PercentEscape),
        ("postgres://eva:secret@db/x?sslmode=%zz", SettingsError::PercentEscape),
        ("postgres://eva:secret@db/x?sslmode=%C3%A9", SettingsError::SslMode),
        ("postgres://eva:secret@::1/x", SettingsError::Brackets),
        ("postgres://eva:secret@fe80::1:5432/x", SettingsError::Brackets),
        ("postgres://eva:secret@a,::1/x", SettingsError::Brackets),
        ("postgres://eva:secret@[::1/x", SettingsError::Syntax),
        ("host=a,b port=1,2,3 password=secret", SettingsError::AddressCount),
        ("host=a,b hostaddr=10.0.0.1 password=secret", SettingsError::AddressCount),
        ("postgres://eva:secret@db/x?sslmode", SettingsError::Syntax),
        ("postgres://db/x?secret=1", SettingsError::UnknownOption),
        ("host=db secret=1", SettingsError::UnknownOption),
        ("postgres://db/x?sslmode=secret", SettingsError::SslMode),
        ("postgres://db/x?sslmode=allow", SettingsError::SslMode),
        ("postgres://db/x?sslrootcert=system&sslmode=require", SettingsError::WeakSslMode),
        ("postgres://db/x?sslcert=secret", SettingsError::HalfIdentity),
        ("postgres://db/x?sslkey=secret", SettingsError::HalfIdentity),
        ("postgres://db/x?connect_timeout=secret", SettingsError::OptionValue("connect_timeout")),
        ("host=db port=secret", SettingsError::OptionValue("port")),
        ("postgres://db/x?sslcrl=secret", SettingsError::UnsupportedOption("sslcrl")),
    ] {
        let error = read(url, &[]).expect_err(url);
        assert_eq!(error, why, "{url}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
    for name in ["PGPORT", "PGCONNECT_TIMEOUT", "PGTARGETSESSIONATTRS", "PGCHANNELBINDING"] {
        assert_eq!(read("host=db", &[(name, "secret")]).unwrap_err(), SettingsError::Variable(name));
    }
}

#[test]
fn variables_that_only_libpq_obeys_are_refused() {
    for (name, value, is_refused) in [
        ("PGREQUIREAUTH", "scram-sha-256", true),
        ("PGREQUIREPEER", "postgres", true),
        ("PGSSLCRL", "/crl", true),
        ("PGSSLCRLDIR", "/crls", true),
        ("PGSSLMINPROTOCOLVERSION", "TLSv1.3", true),
        ("PGSSLMAXPROTOCOLVERSION", "TLSv1.2", true),
        ("PGSERVICE", "shop", true),
        ("PGHOSTADDR", "10.0.0.1", true),
        ("PGGSSENCMODE", "require", true),
        ("PGGSSENCMODE", "prefer", false),
        ("PGREQUIRESSL", "1", true),
        ("PGREQUIRESSL", "0", false),
        ("PGSSLCRL", "", false),
    ] {
        let expected = is_refused.then_some(SettingsError::UnsupportedVariable(name));
        assert_eq!(read("postgres://db/x", &[(name, value)]).err(), expected, "{name}={value}");
    }
}

#[test]
fn what_can_be_in_an_address_reaches_the_server_as_it_is_meant() {
    for (url, at) in [
        ("postgres://[::1]/x", "[::1]:5432"),
        ("postgres://eva:pw@[fe80::1]:5433,db/x", "[fe80::1]:5433,db:5432"),
        ("host=::1", "[::1]:5432"),
        ("hostaddr=::1 port=1", "[::1]:1"),
        ("postgres:///x?host=/run/postgresql", "/run/postgresql"),
        ("postgres://%2Frun%2Fpostgresql/x", "/run/postgresql"),
        ("postgres://db:5433/x?password=s@t", "db:5433"),
        ("postgres://db/x?user=eva@realm", "db:5432"),
        ("postgres://a%40b:p%40%2F%25@db/x", "db:5432"),
    ] {
        let settings = read(url, &[]).unwrap_or_else(|error| panic!("{url}: {error}"));
        let addresses: Vec<_> = settings.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses.join(","), at, "{url}");
    }
    let escaped = read("postgres://a%40b:p%40%2F%25@db/x", &[]).unwrap();
    assert_eq!(escaped.config.get_user(), Some("a@b"));
    assert_eq!(escaped.config.get_password(), Some(&b"p@/%"[..]));
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
    let variables = [
        ("PGTARGETSESSIONATTRS", "any"),
        ("PGCONNECT_TIMEOUT", "4"),
        ("PGAPPNAME", "you"),
        ("PGOPTIONS", "-c search_path=x"),
        ("PGCHANNELBINDING", "require"),
    ];
    for url in ["postgres://db/x?application_name=me", "host=db application_name=me"] {
        let asked = read(url, &variables).unwrap().config;
        assert_eq!(asked.get_application_name(), Some("me"));
        assert_eq!(asked.get_options(), Some("-c search_path=x"));
        assert_eq!(asked.get_connect_timeout(), Some(&Duration::from_secs(4)));
        assert_eq!(asked.get_channel_binding(), ChannelBinding::Require);
        assert_eq!(asked.get_target_session_attrs(), TargetSessionAttrs::Any);
    }
}

/// A folder of one test, which is removed with its files.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("korf-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_the_reason() {
    let folder = Folder::new("unusable");
    let nothing = folder.write("nothing", "nothing");
    let (missing, pipe) = (folder.path("missing"), folder.path("pipe"));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let gone = "No such file or directory";
    for (url, what, path, why) in [
        (format!("sslmode=verify-ca sslrootcert={missing}"), "from sslrootcert", &missing, gone),
        (
            format!("sslmode=verify-ca sslrootcert={nothing}"),
            "from sslrootcert",
            &nothing,
            "it contains none",
        ),
        (format!("passfile={missing}"), "the password file", &missing, gone),
        (format!("passfile={pipe}"), "the password file", &pipe, "it isn't a regular file"),
        (format!("sslcert={missing} sslkey={missing}"), "sslcert", &missing, gone),
        (format!("sslcert={nothing} sslkey={nothing}"), "sslcert", &nothing, "it contains no certificate"),
    ] {
        let pool = read(&format!("host=db {url}"), &[]).unwrap().pool(1);
        let error = pool.err().unwrap().to_string();
        assert!(error.contains(what) && error.contains(path) && error.contains(why), "{error}");
    }
    let pool = read("host=db", &[("PGPASSFILE", &missing)]).unwrap().pool(1);
    assert!(pool.err().unwrap().to_string().contains(&missing));
    assert!(read("host=db", &[("HOME", &missing)]).unwrap().pool(1).is_ok(), "the default need not be there");
    assert!(read("host=db passfile=/dev/null", &[]).unwrap().pool(1).is_ok(), "the usual name for none");
}

#[test]
fn a_url_file_is_read_or_named_and_never_quoted() {
    let folder = Folder::new("url-file");
    let of_file = |content: &[u8]| {
        let path = folder.write("url", content);
        Settings::read_file(Path::new(&path), |name| (name == "PGHOST").then(|| "elsewhere".to_owned()))
    };
    let settings = of_file(b"\npostgres://eva:secret@db/shop\n").unwrap();
    assert_eq!(settings.target(), "database shop at db:5432 as eva, sslmode prefer");
    assert!(!format!("{settings:?}").contains("secret"));
    for (content, why) in [
        (&b" \n"[..], "it is empty"),
        (b"secret\xff", "it isn't UTF-8"),
        (b"secret", "the database URL can't be parsed"),
        (b"postgres://eva:secret", "the database URL can't be parsed"),
    ] {
        let error = of_file(content).unwrap_err();
        assert!(
            error.to_string().contains(why) && !format!("{error} {error:?}").contains("secret"),
            "{error}"
        );
    }
    for path in ["postgres://eva:secret@db/x", "secret", "host=/a password=secret"] {
        let error = Settings::read_file(Path::new(path), |_| None).unwrap_err();
        assert!(error.to_string().contains("No such file"), "{error}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
}

#[test]
fn the_password_file_has_the_password_if_nothing_else_has() {
    let folder = Folder::new("password-file");
    let file = folder.write("passwords", "db:5432:shop:eva:of file\n*:*:*:*:any");
    folder.write(".pgpass", "*:*:*:*:default");
    let home = folder.path("");
    let by_variable = ("PGPASSFILE", &*file);
    for (url, variables, password) in [
        (format!("postgres://eva@db/shop?passfile={file}"), &[][..], Some("of file")),
        (format!("postgres://eva@other/shop?passfile={file}"), &[], Some("any")),
        (format!("postgres://eva:own@db/shop?passfile={file}"), &[], Some("own")),
        ("postgres://eva@db/shop".to_owned(), &[by_variable], Some("of file")),
        ("postgres://db/shop".to_owned(), &[by_variable, ("USER", "eva")], Some("of file")),
        ("postgres://eva@db/shop".to_owned(), &[by_variable, ("PGPASSWORD", "variable")], Some("variable")),
        ("postgres://eva@db/shop".to_owned(), &[by_variable, ("HOME", &home)], Some("of file")),
        ("postgres://eva@db/shop".to_owned(), &[("HOME", &home)], Some("default")),
        ("postgres://eva@db/shop".to_owned(), &[], None),
    ] {
        let settings = read(&url, variables).unwrap();
        let file = settings.passwords.read().unwrap();
        let of_file = file.and_then(|file| settings.password(&file, &settings.addresses[0]));
        let found = settings.config.get_password().map(<[u8]>::to_vec).or(of_file);
        assert_eq!(found.as_deref(), password.map(str::as_bytes), "{url} {variables:?}");
    }
}

#[test]
fn only_another_user_and_password_are_taken_over_from_a_file_that_changes() {
    let first = read("postgres://eva:pw@db/shop?sslmode=require", &[]).unwrap();
    for (url, taken) in [
        ("postgres://eva:new@db/shop?sslmode=require", true),
        ("postgres://ada:new@db/shop?sslmode=require", true),
        ("user=ada password=new host=db dbname=shop sslmode=require", true),
        // What a file may contain that is only half written.
        ("postgres://eva:new@db/shop", false),
        ("postgres://eva:new@db", false),
        ("postgres://eva:new@d", false),
        ("postgres://eva:new@db2/shop?sslmode=require", false),
        ("postgres://eva:new@db/shop?sslmode=require&options=-csearch_path%3Dx", false),
        ("postgres://eva:new@db/shop?sslmode=require&sslrootcert=/ca", false),
    ] {
        assert_eq!(first.is_same_place(&read(url, &[]).unwrap()), taken, "{url}");
    }
    let by_user = read("postgres://eva:pw@db", &[]).unwrap();
    assert!(
        !by_user.is_same_place(&read("postgres://ada:pw@db", &[]).unwrap()),
        "the database has the user's name"
    );
}

proptest! {
    #[test]
    fn no_password_is_printed(password in "[A-Za-z0-9]{12,20}", value in "[^\\x00]{0,9}") {
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
        // A password where a path should be.
        for settings in [
            Settings::read_file(Path::new(&password), |_| None),
            read("host=db", &[("PGPASSFILE", &password)]),
            read(&format!("host=db passfile={password}"), &[]),
        ] {
            let error = settings.and_then(|settings| settings.pool(1).map(drop)).unwrap_err();
            prop_assert!(!format!("{error} {error:?}").contains(&password), "{}", error);
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
