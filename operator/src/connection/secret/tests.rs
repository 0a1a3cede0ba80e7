use super::*;
use tokio_postgres::config::ChannelBinding;

const OWN: &str = "postgres://operator:own@db:6432/shop?sslmode=verify-full&sslrootcert=/ca.crt&channel_binding=require&sslcert=/c&sslkey=/k";

fn own() -> Settings {
    Settings::read(Some(OWN), |_| None).unwrap()
}

fn data(values: &[(&str, &str)]) -> SecretData {
    keyed(values, None)
}

fn keyed(values: &[(&str, &str)], key: Option<&str>) -> SecretData {
    let values = values.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()));
    SecretData::new(values, key)
}

fn settings(values: &[(&str, &str)]) -> Settings {
    Settings::of_secret(&data(values), Some(&own())).unwrap_or_else(|fault| panic!("{values:?}: {fault}"))
}

fn password(settings: &Settings) -> &str {
    std::str::from_utf8(settings.config.get_password().unwrap_or_default()).unwrap()
}

#[test]
fn the_secrets_of_four_operators_lead_to_their_databases() {
    let cloud_native_pg = [
        ("username", "app"),
        ("user", "app"),
        ("password", "pw"),
        ("dbname", "app"),
        ("host", "pg-rw"),
        ("port", "5432"),
        ("pgpass", "pg-rw:5432:app:app:pw\n"),
        ("uri", "postgresql://app:pw@pg-rw.shop:5432/app"),
        ("jdbc-uri", "jdbc:postgresql://pg-rw.shop:5432/app?password=pw&user=app"),
        ("fqdn-uri", "postgresql://app:pw@pg-rw.shop.svc.cluster.local:5432/app"),
    ];
    let zalando = [("username", "app"), ("password", "pw")];
    let crunchy = [
        ("user", "app"),
        ("password", "pw"),
        ("verifier", "SCRAM-SHA-256$…"),
        ("host", "hippo-primary.shop.svc"),
        ("port", "5432"),
        ("dbname", "app"),
        ("uri", "postgresql://app:pw@hippo-primary.shop.svc:5432/app"),
        ("pgbouncer-host", "hippo-pgbouncer.shop.svc"),
        ("pgbouncer-uri", "postgresql://app:pw@hippo-pgbouncer.shop.svc:5432/app"),
    ];
    let crossplane =
        [("endpoint", "x.rds.example"), ("port", "5433"), ("username", "app"), ("password", "pw")];
    for (values, key, target) in [
        (&cloud_native_pg[..], None, "database app at pg-rw.shop:5432 as app, sslmode prefer"),
        (
            &cloud_native_pg,
            Some("fqdn-uri"),
            "database app at pg-rw.shop.svc.cluster.local:5432 as app, sslmode prefer",
        ),
        (&zalando, None, "database shop at db:6432 as app, sslmode verify-full"),
        (&crunchy, None, "database app at hippo-primary.shop.svc:5432 as app, sslmode prefer"),
        (
            &crunchy,
            Some("pgbouncer-uri"),
            "database app at hippo-pgbouncer.shop.svc:5432 as app, sslmode prefer",
        ),
        (&crossplane, None, "database shop at x.rds.example:5433 as app, sslmode prefer"),
    ] {
        let settings = Settings::of_secret(&keyed(values, key), Some(&own())).unwrap();
        assert_eq!(settings.target(), target);
        assert_eq!(password(&settings), "pw", "{target}");
    }
}

#[test]
fn without_a_database_of_the_operator_s_own_a_secret_has_to_say_where_and_which() {
    let login = [("username", "app"), ("password", "pw")];
    for (values, expected) in [
        (&[("host", "pg"), ("dbname", "app")][..], Ok("database app at pg:5432 as app, sslmode prefer")),
        (&[("uri", "postgres://pg/app")], Ok("database app at pg:5432 as app, sslmode prefer")),
        (&[("dbname", "app")], Err(SecretFault::NotGiven("host"))),
        (&[("host", "pg")], Err(SecretFault::NotGiven("dbname"))),
        (&[("uri", "postgres://pg")], Err(SecretFault::NotGiven("dbname"))),
    ] {
        let settings = Settings::of_secret(&data(&[values, &login].concat()), None);
        let expected = expected.map(str::to_owned);
        assert_eq!(settings.map(|settings| settings.target()), expected, "{values:?}");
    }
    assert!(SecretFault::NotGiven("host").is_missing());
}

#[test]
fn what_the_url_lacks_comes_from_the_other_keys_and_then_from_the_operator_s_own() {
    for (values, target) in [
        (
            &[("uri", "postgres://db2"), ("user", "a"), ("password", "p"), ("dbname", "d")][..],
            "database d at db2:5432 as a, sslmode prefer",
        ),
        (&[("uri", "postgres://a:p@/d?sslmode=require")], "database d at db:6432 as a, sslmode require"),
        (
            &[("uri", "host=db2 port=1 user=a"), ("password", "p"), ("host", "ignored"), ("port", "2")],
            "database shop at db2:1 as a, sslmode prefer",
        ),
        (
            &[("user", "a\n"), ("password", "p\n"), ("host", " db2 \n"), ("port", "7\n")],
            "database shop at db2:7 as a, sslmode prefer",
        ),
        (
            &[("user", "a"), ("password", "p"), ("host", "db2,db3"), ("port", "7,8")],
            "database shop at db2:7,db3:8 as a, sslmode prefer",
        ),
        (
            &[("user", "a"), ("password", "p"), ("port", "7")],
            "database shop at db:6432 as a, sslmode verify-full",
        ),
        (
            &[("user", "a"), ("password", "p"), ("sslmode", "require")],
            "database shop at db:6432 as a, sslmode require",
        ),
        (
            &[("user", "a"), ("password", "p"), ("host", "h"), ("ca.crt", "PEM")],
            "database shop at h:5432 as a, sslmode verify-full",
        ),
        (
            &[("user", "a"), ("password", "p"), ("host", "h"), ("ca.crt", "PEM"), ("sslmode", "verify-ca")],
            "database shop at h:5432 as a, sslmode verify-ca",
        ),
    ] {
        assert_eq!(settings(values).target(), target, "{values:?}");
    }
    assert_eq!(password(&settings(&[("user", "a"), ("password", "p\r\n")])), "p");
}

#[test]
fn the_operator_s_own_login_goes_nowhere_and_its_authority_only_to_its_own_server() {
    let at_own = settings(&[("user", "a"), ("password", "p")]);
    assert_eq!(at_own.tls.root_cert, own().tls.root_cert);
    assert_eq!(at_own.config.get_channel_binding(), ChannelBinding::Require);
    let elsewhere = settings(&[("user", "a"), ("password", "p"), ("host", "h")]);
    assert_eq!(elsewhere.tls.root_cert, None);
    assert_eq!(elsewhere.config.get_channel_binding(), ChannelBinding::Prefer);
    for settings in [at_own, elsewhere] {
        assert_eq!(settings.tls.identity, None);
        assert_eq!(settings.passwords, Passwords::None);
        assert_eq!(settings.config.get_user(), Some("a"));
    }
    let by_certificate = settings(&[("user", "a"), ("tls.crt", "C"), ("tls.key", "K")]);
    assert_eq!(by_certificate.config.get_password(), None);
    assert!(by_certificate.tls.identity.is_some());
    let system = settings(&[("uri", "postgres://a:p@h?sslrootcert=system")]);
    assert_eq!((system.ssl_mode, system.tls.root_cert), (SslMode::VerifyFull, None));
}

#[test]
fn a_secret_that_can_not_be_used_is_told_without_its_values() {
    for (values, key, why) in [
        (&[][..], None, "has no key username"),
        (&[("user", "a")], None, "has no key password"),
        (&[("user", "a"), ("password", "\n")], None, "has no key password"),
        (&[("user", "a"), ("password", "p")], Some("url"), "has no key url"),
        (&[("uri", "postgres://h/d"), ("password", "p")], None, "has no key username"),
        (
            &[("user", "a"), ("password", "p"), ("host", "h"), ("port", "Geheim42")],
            None,
            "has a value of port",
        ),
        (&[("user", "a"), ("password", "p"), ("host", "h"), ("port", "0")], None, "has a value of port"),
        (&[("user", "a"), ("password", "p"), ("host", "/run/Geheim42")], None, "names a socket"),
        (&[("uri", "postgres://a:p@/d?host=/run/Geheim42")], None, "names a socket"),
        (
            &[("uri", "postgres://a:p@h/d?sslrootcert=/etc/Geheim42")],
            None,
            "has a URL with the option sslrootcert",
        ),
        (&[("uri", "postgres://a:p@h/d?sslcert=/etc/Geheim42&sslkey=/k")], None, "the option sslcert"),
        (&[("uri", "postgres://a:p@h/d?sslkey=/etc/Geheim42")], None, "the option sslkey"),
        (&[("uri", "postgres://a@h/d?passfile=/etc/Geheim42")], None, "the option passfile"),
        (&[("uri", "jdbc:postgresql://h/d?password=Geheim42")], None, "has a JDBC URL"),
        (&[("uri", "postgres://a:Geheim42%@h/d")], None, "can't be used: the database URL has a %"),
        (
            &[("user", "a"), ("password", "p"), ("sslmode", "Geheim42")],
            None,
            "can't be used: sslmode must be",
        ),
        (
            &[("user", "a"), ("password", "p"), ("tls.crt", "Geheim42")],
            None,
            "has only one of tls.crt and tls.key",
        ),
    ] {
        let fault = Settings::of_secret(&keyed(values, key), Some(&own())).expect_err(why);
        let message = fault.to_string();
        assert!(message.contains(why) && !message.contains("Geheim42"), "{message}, not {why}");
        assert_eq!(fault.is_missing(), why.starts_with("has no key"), "{why}");
    }
    let text = SecretData::new([("user".to_owned(), vec![0xff])], None);
    assert_eq!(
        Settings::of_secret(&text, Some(&own())).unwrap_err(),
        SecretFault::NotText("user".to_owned())
    );
}

#[test]
fn only_values_that_matter_are_kept_and_none_is_shown() {
    let data = data(&[("password", "Geheim42"), ("verifier", "x"), ("pgpass", "y")]);
    assert_eq!(format!("{data:?}"), "{\"password\"}");
    let settings = settings(&[
        ("user", "a"),
        ("password", "Geheim42"),
        ("tls.crt", "Geheim42"),
        ("tls.key", "Geheim42"),
    ]);
    assert!(!format!("{settings:?}").contains("Geheim42"), "{settings:?}");
}

#[test]
fn certificates_that_are_none_are_told_by_their_keys() {
    for (key, why) in [
        ("ca.crt", "its ca.crt can't be used: "),
        ("tls.crt", "its tls.crt can't be used: it contains no certificate"),
    ] {
        let mut values = vec![
            ("user", "a"),
            ("password", "p"),
            ("host", "h"),
            (key, "Geheim42"),
            ("sslmode", "verify-full"),
        ];
        if key == "tls.crt" {
            values.push(("tls.key", "Geheim42"));
            values.push(("uri", "postgres://h?sslmode=require"));
        }
        let error = settings(&values).pool(1).map(drop).unwrap_err().to_string();
        assert!(error.starts_with(why) && !error.contains("Geheim42"), "{error}");
    }
}

#[test]
fn the_fingerprint_is_that_of_the_address_and_the_name_alone() {
    let fingerprint = |url: &str| Settings::read(Some(url), |_| None).unwrap().fingerprint();
    let same = fingerprint("postgres://a:p@db:5432/shop");
    for url in ["postgres://b:q@DB/shop?sslmode=require", "host=db dbname=shop user=c", "postgres://shop@db"]
    {
        assert_eq!(fingerprint(url), same, "{url}");
    }
    for url in ["postgres://a:p@db2/shop", "postgres://a:p@db:5433/shop", "postgres://a:p@db/other"] {
        assert_ne!(fingerprint(url), same, "{url}");
    }
    assert_eq!(fingerprint("postgres://a@x:1,y:2/s"), fingerprint("postgres://a@y:2,x:1/s"));
    assert_eq!(same.len(), 16);
}

#[test]
fn a_secret_can_not_ask_for_long_waits() {
    let settings = settings(&[("uri", "postgres://a:p@h/d?connect_timeout=3600")]);
    assert_eq!(settings.config.get_connect_timeout(), Some(&LONGEST));
}
