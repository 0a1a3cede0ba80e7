//! Login errors: what is wrong with credentials, without what kube quotes of them.
//!
//! kube's own words have a plugin's arguments, its variables and all that it has printed, which may be a token.

use kube::client::AuthError;
use std::{error::Error, iter};

/// The error of a login, if one is the cause of an error.
pub fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a AuthError> {
    iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
}

/// The error in one line, for people. `plugin` is the name of the program that was run, if it is known.
pub fn explain(error: &AuthError, plugin: Option<&str>) -> String {
    let program =
        plugin.map_or("the credential plugin".to_owned(), |name| format!("the credential plugin `{name}`"));
    match error {
        AuthError::InvalidBasicAuth(_) => {
            "the user name or the password can't be part of a header".to_owned()
        }
        AuthError::InvalidBearerToken(_) => "the token can't be part of a header".to_owned(),
        AuthError::ReadTokenFile(error, _) => format!("the token file can't be read: {error}"),
        AuthError::MissingCommand => "the kubeconfig names no command of the credential plugin".to_owned(),
        AuthError::ExecMissingClusterInfo => {
            "the kubeconfig has `provideClusterInfo`, but no information about the cluster".to_owned()
        }
        AuthError::AuthExecStart(error) => format!("{program} can't be started: {error}"),
        AuthError::AuthExecRun { out, .. } => format!("{program} has failed: {}", out.status),
        AuthError::AuthExecParse(_) => format!("{program} has printed something that is no ExecCredential"),
        AuthError::ParseTokenKey(_) => format!("{program} has printed something that is no JSON"),
        AuthError::ExecPluginFailed => format!("{program} has printed an ExecCredential without a status"),
        AuthError::UnrefreshableTokenResponse => {
            format!("{program} has printed no token with an end, as it did before")
        }
        AuthError::MalformedTokenExpirationDate(_) => {
            format!("the end of the token is no time, as {program} or the kubeconfig has it")
        }
        // A whole command line may stand where the program should.
        AuthError::AuthExec(why) if why.starts_with("Executing ") => format!("{program} can't be started"),
        // Of a provider that it doesn't know, kube says what to use instead; it quotes no output.
        AuthError::AuthExec(why) => why.clone(),
        AuthError::NoValidNativeRootCA(error) => format!("there are no root certificates: {error}"),
        // Other features of kube, or a newer one, have words that nobody has looked at.
        _ => "the credentials can't be used".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::{
        Client, Config,
        config::{AuthInfo, AuthProviderConfig, ExecConfig},
    };
    use serde_json::{Value, from_value, json};
    use std::io;

    const SECRET: &str = "Geheim42";

    /// What kube says of a user of a kubeconfig.
    async fn refused(user: AuthInfo) -> kube::Error {
        let mut config = Config::new("https://api.example.org".parse().unwrap());
        config.auth_info = user;
        Client::try_from(config).err().expect("kube refuses it")
    }

    fn plugin(script: &str) -> AuthInfo {
        let exec: Value = json!({
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "sh",
            "args": ["-c", script, SECRET],
            "env": [{ "name": "PASSWORD", "value": SECRET }],
            "interactiveMode": "Never",
        });
        AuthInfo { exec: Some(from_value::<ExecConfig>(exec).unwrap()), ..AuthInfo::default() }
    }

    fn provider(config: Value) -> AuthInfo {
        let provider: AuthProviderConfig = from_value(json!({ "name": "gcp", "config": config })).unwrap();
        AuthInfo { auth_provider: Some(provider), ..AuthInfo::default() }
    }

    #[tokio::test]
    async fn no_error_of_a_login_quotes_what_a_plugin_is_given_or_prints() {
        let absent = AuthInfo { token_file: Some(format!("/nowhere/{SECRET}")), ..AuthInfo::default() };
        let cases = [
            (plugin("echo Geheim42; echo Geheim42 >&2; exit 3"), "`sh` has failed: exit status: 3"),
            (plugin("kill -9 $$"), "`sh` has failed: signal: 9 (SIGKILL)"),
            (
                plugin(r#"echo '{"kind": "ExecCredential", "status": {"token": "Geheim42'"#),
                "is no ExecCredential",
            ),
            (plugin("echo Geheim42"), "is no ExecCredential"),
            (plugin(r#"echo '{"kind": "Geheim42"}'"#), "an ExecCredential without a status"),
            (
                plugin(r#"echo '{"status": {"token": "x", "expirationTimestamp": "Geheim42"}}'"#),
                "the end of the token is no time",
            ),
            (absent, "the token file can't be read: No such file or directory"),
            (provider(json!({ "cmd-path": "cat", "cmd-args": "/nowhere/Geheim42" })), "`sh` has failed"),
            (
                provider(json!({ "cmd-path": "echo", "cmd-args": "Geheim42", "token-key": "{.token}" })),
                "something that is no JSON",
            ),
            (provider(json!({ "cmd-path": "/nowhere/Geheim42" })), "`sh` can't be started"),
        ];
        for (user, expected) in cases {
            let error = refused(user).await;
            let text = explain(find(&error).unwrap_or_else(|| panic!("{error}")), Some("sh"));
            assert!(text.contains(expected) && !text.contains(SECRET), "{text}");
        }
    }

    #[test]
    fn a_login_error_is_found_wherever_kube_puts_it() {
        let auth = || AuthError::AuthExecStart(io::Error::from(io::ErrorKind::NotFound));
        let boxed = || kube::Error::Service(Box::new(auth()));
        for error in [kube::Error::Auth(auth()), boxed(), kube::Error::Service(Box::new(boxed()))] {
            let found = find(&error).map(|error| explain(error, None));
            assert_eq!(found.as_deref(), Some("the credential plugin can't be started: entity not found"));
        }
        assert!(find(&kube::Error::Service("refused".into())).is_none());
    }
}
