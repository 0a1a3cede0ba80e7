use super::*;

#[test]
fn each_setting_can_be_set_by_the_text_of_its_value() {
    let defaults = Settings::default();
    for (name, text) in defaults.values() {
        let mut settings = Settings::default();
        settings.set(name, &text).unwrap();
        assert_eq!(settings, defaults, "{name}={text}");
    }
    assert_eq!(defaults.values().iter().map(|(name, _)| *name).collect::<Vec<_>>(), NAMES);
}

#[test]
fn values_have_units_and_what_is_none_is_rejected_with_an_example() {
    let mut settings = Settings::default();
    let cases = [
        ("requests.timeout", "1.5s", Some("1500ms")),
        ("requests.timeout", "2m", Some("120s")),
        ("requests.timeout", "2", None),
        ("requests.timeout", "-2s", None),
        ("requests.delays", "200ms, 1s", Some("200ms,1s")),
        ("requests.delays", "", None),
        ("queueing.concurrency", "0", None),
        ("queueing.concurrency", "8", Some("8")),
        ("queueing.budget", "64KiB", Some("64KiB")),
        ("queueing.budget", "1GB", None),
    ];
    for (name, value, expected) in cases {
        let text = match settings.set(name, value) {
            Ok(()) => settings.values().into_iter().find(|(known, _)| *known == name).map(|(_, text)| text),
            Err(InvalidSetting::Value { .. }) => None,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(text.as_deref(), expected, "{name}={value}");
    }
    let unknown = settings.set("request.timeout", "1s").unwrap_err().to_string();
    assert!(unknown.contains("requests.timeout"), "{unknown}");
    assert_eq!(variable("requests.timeout"), "KORF_SET_REQUESTS_TIMEOUT");
}

#[test]
fn a_variable_of_no_setting_is_an_error() {
    let mut settings = Settings::default();
    let mut set = |key: &str| {
        settings.set_from([(key.to_owned(), "7s".to_owned())].into_iter()).map_err(|e| e.to_string())
    };
    set("KORF_SET_REQUESTS_TIMEOUT").unwrap();
    let error = set("KORF_SET_REQUESTS_TIMOUT").unwrap_err();
    assert!(error.contains("no setting `KORF_SET_REQUESTS_TIMOUT`"), "{error}");
    assert_eq!(settings.requests.timeout, Duration::from_secs(7));
}
