use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use k8s_openapi::api::core::v1::Namespace;
use korf_sandbox::{ControlPlane, Sandbox};
use kube::Api;

/// All processes with the folder in their arguments: the guard, its runners and the servers.
pub(crate) fn processes_of(folder: &Path) -> Vec<String> {
    let output = Command::new("ps").args(["-axww", "-o", "pid=,args="]).output().unwrap();
    let folder = folder.to_str().unwrap();
    let processes = String::from_utf8_lossy(&output.stdout).into_owned();
    processes.lines().filter(|line| line.contains(folder)).map(str::to_owned).collect()
}

fn folders_of(sandbox: &Sandbox) -> [PathBuf; 2] {
    let parent = |path: &Path| path.parent().unwrap().to_owned();
    let certificate = sandbox.postgres.ca_certificate().unwrap();
    [parent(sandbox.control_plane.kubeconfig()), parent(&certificate)]
}

#[tokio::test]
async fn two_sandboxes_are_independent_and_a_dropped_one_leaves_nothing_behind() {
    let (first, second) = tokio::join!(Sandbox::shared(), Sandbox::start());
    let (first, second) = (first.unwrap(), second.unwrap());
    second.control_plane.create_namespace("only-in-the-second").await.unwrap();
    let of_first = Api::<Namespace>::all(first.control_plane.client().await.unwrap());
    assert!(of_first.get_opt("only-in-the-second").await.unwrap().is_none());
    // Another authority has signed the second one's certificate, so the first one's administrator can't even
    // connect.
    let misdirected =
        first.control_plane.kubeconfig_through(second.control_plane.api_server_address()).unwrap();
    let misdirected = Api::<Namespace>::all(first.control_plane.client_for(&misdirected).await.unwrap());
    assert!(misdirected.get("default").await.is_err());

    let folders = folders_of(&second);
    assert!(folders.iter().all(|folder| processes_of(folder).len() >= 3));
    let ports = [second.control_plane.api_server_address(), second.postgres.address()];
    drop(second);
    for folder in folders {
        assert!(!folder.exists(), "{} is left", folder.display());
        // What the guard has killed together with itself may be about to die.
        crate::until("nothing runs there", async || processes_of(&folder).is_empty()).await;
    }
    assert!(ports.iter().all(|port| TcpStream::connect(port).is_err()));
    assert!(of_first.get_opt("default").await.unwrap().is_some());
}

#[tokio::test]
async fn a_restart_of_the_api_server_keeps_the_data() {
    let control_plane = ControlPlane::start().await.unwrap();
    let namespaces = Api::<Namespace>::all(control_plane.client().await.unwrap());
    control_plane.create_namespace("lasting").await.unwrap();
    let before = namespaces.get("lasting").await.unwrap();

    control_plane.stop_api_server().await.unwrap();
    assert!(namespaces.get("lasting").await.is_err());
    control_plane.start_api_server().await.unwrap();
    assert_eq!(namespaces.get("lasting").await.unwrap(), before);
}

#[tokio::test]
async fn a_killed_process_leaves_nothing_behind() {
    let (mut process, folder) = start_in_another_process();
    assert!(processes_of(&folder).len() >= 3);
    process.kill().unwrap(); // SIGKILL
    process.wait().unwrap();
    crate::until("the servers have exited", async || processes_of(&folder).is_empty()).await;
    crate::until("the folder is gone", async || !folder.exists()).await;
}

#[tokio::test]
async fn a_process_killed_during_start_up_leaves_nothing_behind() {
    let mut process = Command::new(env!("CARGO_BIN_EXE_korf-sandbox")).spawn().unwrap();
    let prefix = format!("korf-sandbox-{}-", process.id());
    crate::until("a guard has created its folder", async || folders_with(&prefix) > 0).await;
    process.kill().unwrap();
    process.wait().unwrap();
    crate::until("the servers have exited", async || processes_of(Path::new(&prefix)).is_empty()).await;
    crate::until("the folders are gone", async || folders_with(&prefix) == 0).await;
}

fn folders_with(prefix: &str) -> usize {
    let parents =
        [std::env::temp_dir(), PathBuf::from("/tmp")].map(|folder| std::fs::read_dir(folder).unwrap());
    let names = parents.into_iter().flatten().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().contains(prefix)).count()
}

#[tokio::test]
async fn ctrl_c_stops_the_servers_and_removes_their_folder() {
    let (mut process, folder) = start_in_another_process();
    Command::new("kill").args(["-INT", &process.id().to_string()]).status().unwrap();
    assert!(process.wait().unwrap().success());
    assert!(!folder.exists());
    crate::until("nothing runs there", async || processes_of(&folder).is_empty()).await;
}

#[tokio::test]
async fn external_servers_are_used_and_left_running() {
    let shared = Sandbox::shared().await.unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_korf-sandbox"));
    command.env("KORF_SANDBOX_KUBECONFIG", shared.control_plane.kubeconfig());
    command.env("KORF_SANDBOX_DATABASE_URL", superuser_url(shared));
    let (mut process, lines) = start(&mut command);
    assert!(lines[0].contains(shared.control_plane.kubeconfig().to_str().unwrap()), "{lines:?}");
    assert!(lines[1].contains(&shared.postgres.address().to_string()), "{lines:?}");

    process.kill().unwrap();
    process.wait().unwrap();
    shared.control_plane.create_namespace("afterwards").await.unwrap();
    shared.postgres.create_database("afterwards").await.unwrap();
}

pub(crate) fn superuser_url(sandbox: &Sandbox) -> String {
    let psql = sandbox.postgres.psql().unwrap();
    let mut variables = psql.get_envs();
    let password = variables.find(|(name, _)| *name == "PGPASSWORD").unwrap().1.unwrap().to_str().unwrap();
    format!("postgres://postgres:{password}@{}/postgres", sandbox.postgres.address())
}

/// Runs this crate's binary until it is ready. Also returns the folder of its control plane.
fn start_in_another_process() -> (Child, PathBuf) {
    let (process, lines) = start(&mut Command::new(env!("CARGO_BIN_EXE_korf-sandbox")));
    let kubeconfig = lines[0].trim_start_matches("export KUBECONFIG='").trim_end_matches('\'');
    (process, Path::new(kubeconfig).parent().unwrap().to_owned())
}

/// Starts the binary, and returns the three lines that it prints.
pub(crate) fn start(command: &mut Command) -> (Child, Vec<String>) {
    let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    (process, lines.take(3).map(Result::unwrap).collect())
}
