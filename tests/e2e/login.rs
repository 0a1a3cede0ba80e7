//! Logins: credentials that change while the operator runs, and proxies.

use crate::fixture::{Fixture, LIMIT, manifest};
use k8s_openapi::api::core::v1::ConfigMap;
use korf::{
    Name, Operator, RunError, State,
    extract::{CancellationToken, Param},
    handler::Registry,
    observe::Observation,
};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedSender, unbounded_channel},
    task::AbortHandle,
    time::timeout,
};

/// A service account that may do everything, and a kubeconfig of it.
struct Account<'f> {
    fixture: &'f Fixture<'f>,
    folder: PathBuf,
}

impl<'f> Account<'f> {
    fn new(fixture: &'f Fixture<'f>) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("login-{}", fixture.namespace));
        // What an earlier run has left is no state to begin with.
        _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let account = Self { fixture, folder };
        account.run(&["create", "serviceaccount", "robot"]);
        let (name, robot) =
            (format!("robot-{}", fixture.namespace), format!("--serviceaccount={}:robot", fixture.namespace));
        account.run(&["create", "clusterrolebinding", &name, "--clusterrole=cluster-admin", &robot]);
        account
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = self.fixture.kubectl().args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A token that the API server accepts until it is revoked.
    fn token(&self) -> String {
        self.run(&["create", "token", "robot"])
    }

    /// All tokens so far become invalid: within ten seconds, for which the API server remembers its answers.
    fn revoke(&self) {
        self.run(&["delete", "serviceaccount", "robot"]);
        self.run(&["create", "serviceaccount", "robot"]);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, content: &str) {
        // As editors and kubelets do: nobody reads half of it.
        let (new, path) = (self.path(&format!("{name}.new")), self.path(name));
        fs::write(&new, content).unwrap();
        fs::rename(new, path).unwrap();
    }

    /// Writes the kubeconfig of the fixture's cluster, for this user.
    fn write_kubeconfig(&self, user: &Value) -> PathBuf {
        self.write(
            "kubeconfig",
            &kubeconfig(self.fixture, |config| config["users"][0]["user"] = user.clone()),
        );
        self.path("kubeconfig")
    }
}

/// The kubeconfig of the fixture's cluster, changed.
fn kubeconfig(fixture: &Fixture<'_>, change: impl FnOnce(&mut Value)) -> String {
    let text = fs::read_to_string(fixture.cluster.control_plane.kubeconfig()).unwrap();
    let mut config = serde_json::from_str(&text).unwrap();
    change(&mut config);
    config.to_string()
}

/// The operator works with a first token, and after that was revoked, with the one that it finds in the same place.
async fn a_new_token_is_taken(
    name: &str,
    give: impl Fn(&Account<'_>, &str),
    user: impl Fn(&Account<'_>, &str) -> Value,
) {
    let fixture = Fixture::new(name).await;
    let account = Account::new(&fixture);
    let token = account.token();
    give(&account, &token);
    let kubeconfig = account.write_kubeconfig(&user(&account, &token));
    let operator = fixture
        .operator()
        .env("KUBECONFIG", &kubeconfig)
        // A watch that runs outlives its credentials.
        .env("KORF_SET_WATCHING_SERVER_TIMEOUT", "1s")
        .start();
    fixture.apply(&manifest("before", "before", &["id"]));
    fixture.until_ready("before").await;

    account.revoke();
    let token = account.token();
    give(&account, &token);
    account.write_kubeconfig(&user(&account, &token));
    operator.wait_for_line("The API server accepts the credentials again: logged in again.").await;
    fixture.apply(&manifest("after", "after", &["id"]));
    fixture.until_ready("after").await;
    assert_eq!(operator.count_lines("[ERROR"), 0);
}

#[tokio::test]
async fn a_token_that_is_replaced_in_the_kubeconfig_is_read_when_the_old_one_is_rejected() {
    a_new_token_is_taken("login-token", |_, _| (), |_, token| json!({ "token": token })).await;
}

#[tokio::test]
async fn a_token_file_is_read_again_when_its_token_is_rejected() {
    let give = |account: &Account<'_>, token: &str| account.write("token", token);
    let user = |account: &Account<'_>, _: &str| json!({ "tokenFile": account.path("token") });
    a_new_token_is_taken("login-file", give, user).await;
}

#[tokio::test]
async fn a_plugin_whose_token_has_no_end_is_run_again_when_that_is_rejected() {
    let give = |account: &Account<'_>, token: &str| {
        let credential = json!({
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "status": { "token": token },
        });
        account.write("credential", &credential.to_string());
    };
    let user = |account: &Account<'_>, _: &str| {
        json!({ "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "cat",
            "args": [account.path("credential")],
            "interactiveMode": "Never",
        }})
    };
    a_new_token_is_taken("login-plugin", give, user).await;
}

/// The handler reads the token from a file, as it would ask a vault.
#[tokio::test]
async fn a_login_handler_is_called_again_when_its_token_is_rejected() {
    let fixture = Fixture::new("login-handler").await;
    let account = Account::new(&fixture);
    account.write("token", &account.token());
    let paths = (account.write_kubeconfig(&json!({})), account.path("token"));
    let log_in = async |Param(paths): Param<(PathBuf, PathBuf)>, calls: State<Arc<AtomicUsize>>| {
        calls.fetch_add(1, Ordering::Relaxed);
        let mut kubeconfig = Kubeconfig::read_from(&paths.0)?;
        let user = kubeconfig.auth_infos[0].auth_info.as_mut();
        user.unwrap().token = Some(fs::read_to_string(&paths.1)?.into());
        Ok(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
    };
    let calls = Arc::<AtomicUsize>::default();
    let mut operator = Operator::with_registry("login-handler", Registry::default())
        .activity(korf::on_login("log_in").param(paths).run(log_in))
        .handler(
            korf::on_create::<ConfigMap>("create")
                .run(async |name: Name, named: State<Named>| Ok(named.send(name.to_string())?)),
        )
        .namespaces([&fixture.namespace])
        .state(Arc::clone(&calls));
    // A watch that runs outlives its credentials.
    operator.settings_mut().watching.server_timeout = Duration::from_secs(1);
    let ((named, mut names), (renewed, mut renewals)) = (unbounded_channel::<String>(), unbounded_channel());
    let operator = operator.state(named).observe(move |observation| {
        if let Observation::LoginRenewed = observation {
            renewed.send(()).unwrap();
        }
    });
    let operator = operator.spawn();
    let map = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}");
    fixture.apply(&map("before"));
    let mut until_named = async |name: &str| while names.recv().await.unwrap() != name {};
    timeout(LIMIT, until_named("before")).await.unwrap();
    account.revoke();
    account.write("token", &account.token());
    timeout(LIMIT, renewals.recv()).await.unwrap().unwrap();
    fixture.apply(&map("after"));
    timeout(LIMIT, until_named("after")).await.unwrap();
    operator.stop().await.unwrap();
    assert!(calls.load(Ordering::Relaxed) >= 2);
}

/// A start-up handler that is retried doesn't keep an operator alive that can't log in.
#[tokio::test]
async fn credentials_that_are_rejected_during_the_start_end_the_operator() {
    let fixture = Fixture::new("login-wrong").await;
    let account = Account::new(&fixture);
    let path = account.write_kubeconfig(&json!({ "token": "wrong" }));
    let log_in = async |Param(path): Param<PathBuf>| {
        let kubeconfig = Kubeconfig::read_from(&*path)?;
        Ok(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
    };
    let look = async |client: Client| {
        client.apiserver_version().await?;
        Ok(())
    };
    let backoff = Duration::from_millis(200);
    let mut operator = Operator::with_registry("login-wrong", Registry::default())
        .activity(korf::on_login("log_in").param(path).run(log_in))
        .activity(korf::on_startup("look").backoff(backoff).run(look))
        .handler(korf::on_create::<ConfigMap>("create").run(async || {}));
    operator.settings_mut().login.patience = Duration::from_secs(1);
    let ended = operator.run_until(CancellationToken::new()).await;
    assert!(matches!(ended, Err(RunError::Rejected(_))), "{ended:?}");
}

type Named = UnboundedSender<String>;

#[tokio::test]
async fn credentials_that_nobody_replaces_end_the_operator_with_1() {
    let fixture = Fixture::new("login-revoked").await;
    let account = Account::new(&fixture);
    let kubeconfig = account.write_kubeconfig(&json!({ "token": account.token() }));
    let mut operator = fixture
        .operator()
        .not_verbose()
        .env("KUBECONFIG", &kubeconfig)
        .env("KORF_SET_WATCHING_SERVER_TIMEOUT", "1s")
        .env("KORF_SET_LOGIN_PATIENCE", "3s")
        .start();
    fixture.apply(&manifest("before", "before", &["id"]));
    fixture.until_ready("before").await;
    account.revoke();
    assert_eq!(operator.wait().await.code(), Some(1));
    let warning = operator.lines().into_iter().find(|line| line.contains("rejects the credentials (401)"));
    assert!(warning.is_some_and(|line| line.contains("[WARNING ]")), "{:#?}", operator.lines());
    let last = operator.lines().pop().unwrap();
    assert!(
        last.contains("[ERROR   ]")
            && last.contains("the API server has rejected the credentials for 3 seconds (401)"),
        "{last}"
    );
}

#[tokio::test]
async fn a_plugin_that_hangs_ends_the_operator_with_1_and_is_run_once() {
    let fixture = Fixture::new("login-hanging").await;
    let account = Account::new(&fixture);
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": { "token": account.token() },
    });
    account.write("credential", &credential.to_string());
    let script = account.path("plugin");
    account.write(
        "plugin",
        &format!(
            "echo run >> \"$0.runs\"; [ ! -e \"$0.hang\" ] || exec sleep 60; cat {}",
            account.path("credential").display()
        ),
    );
    let kubeconfig = account.write_kubeconfig(&json!({ "exec": {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "sh",
        "args": [script],
        "interactiveMode": "Never",
    }}));
    let mut operator = fixture
        .operator()
        .not_verbose()
        .env("KUBECONFIG", &kubeconfig)
        .env("KORF_SET_WATCHING_SERVER_TIMEOUT", "1s")
        .env("KORF_SET_REQUESTS_TIMEOUT", "2s")
        .env("KORF_SET_LOGIN_PATIENCE", "3s")
        .start();
    fixture.apply(&manifest("before", "before", &["id"]));
    fixture.until_ready("before").await;
    let runs = || fs::read_to_string(account.path("plugin.runs")).unwrap().lines().count();
    let before = runs();
    account.write("plugin.hang", "");
    account.revoke();
    assert_eq!(operator.wait().await.code(), Some(1));
    assert_eq!(runs(), before + 1, "{:#?}", operator.lines());
    let warning = operator.lines().into_iter().find(|line| line.contains("rejects the credentials (401)"));
    assert!(
        warning.as_ref().is_some_and(|line| line.contains("the login has not ended after 1s")),
        "{:#?}",
        operator.lines()
    );
}

/// A proxy that every request goes through to the API server, wherever it says that it goes.
struct Tunnels {
    address: SocketAddr,
    opened: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Tunnels {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, opened) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
        let count = Arc::clone(&opened);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(tunnel(client, server, Arc::clone(&count)));
            }
        });
        Self { address, opened, task: task.abort_handle() }
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }
}

impl Drop for Tunnels {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn tunnel(client: TcpStream, server: SocketAddr, opened: Arc<AtomicUsize>) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    let (mut request, mut line) = (String::new(), String::new());
    client.read_line(&mut request).await?;
    while client.read_line(&mut line).await? > 2 {
        line.clear();
    }
    if request.starts_with("CONNECT ") {
        let mut server = TcpStream::connect(server).await?;
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        opened.fetch_add(1, Ordering::Relaxed);
        copy_bidirectional(&mut client, &mut server).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_operator_takes_the_proxy_that_kubectl_would_take() {
    let fixture = Fixture::new("login-proxy").await;
    let server = fixture.cluster.control_plane.api_server_address();
    let tunnels = Tunnels::to(server).await;
    let (proxy, folder) = (format!("http://{}", tunnels.address), Path::new(env!("CARGO_TARGET_TMPDIR")));
    let write = |name: &str, change: &dyn Fn(&mut Value)| {
        let path = folder.join(format!("{}-{name}", fixture.namespace));
        fs::write(&path, kubeconfig(&fixture, |config| change(&mut config["clusters"][0]["cluster"])))
            .unwrap();
        path
    };
    let by_url = write("proxy-url", &|cluster| cluster["proxy-url"] = json!(proxy));
    // A name that only the proxy knows.
    let elsewhere = write("elsewhere", &|cluster| {
        cluster["server"] = json!(format!("https://api.korf.invalid:{}", server.port()));
        cluster["tls-server-name"] = json!(server.ip());
    });
    let start = || fixture.operator().not_verbose();
    let cases = [
        ("by-url", start().env("KUBECONFIG", &by_url), true),
        ("by-variable", start().env("KUBECONFIG", &elsewhere).env("HTTPS_PROXY", &proxy), true),
        ("by-loopback", start().env("HTTPS_PROXY", &proxy), false),
    ];
    for (name, command, through) in cases {
        let before = tunnels.opened();
        let mut operator = command.start();
        fixture.apply(&manifest(name, &name.replace('-', "_"), &["id"]));
        fixture.until_ready(name).await;
        assert_eq!(tunnels.opened() > before, through, "{name}");
        operator.terminate().await;
    }
    let command = start().env("KUBECONFIG", &elsewhere).env("HTTPS_PROXY", &proxy);
    let operator = command.env("NO_PROXY", ".korf.invalid").start();
    operator.wait_for_line("Asking the API server at https://api.korf.invalid").await;
}
