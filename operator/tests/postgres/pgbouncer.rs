//! A real pgbouncer in transaction mode, before a server that goes away.

use crate::{
    outages::{assert_is_away, own_server},
    support::{World, skip, spec},
};
use database_table_operator::{connection::Settings, database, outcome::Outcome};
use korf_sandbox::{Postgres, fresh_port};
use std::{
    env, fs,
    net::{SocketAddr, TcpStream},
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tokio::time::{sleep, timeout};

/// It ends with this, and with the process.
struct Pooler {
    process: Child,
    guard: Child,
    folder: PathBuf,
    address: SocketAddr,
}

impl Pooler {
    /// A pooler before a server; `None`, with a word why, if there is no program.
    async fn start(server: &Postgres, world: &World) -> Option<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
        let Some(program) = folders.map(|folder| folder.join("pgbouncer")).find(|program| program.is_file())
        else {
            skip("there is no pgbouncer");
            return None;
        };
        let folder = env::temp_dir().join(format!("korf-pgbouncer-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], fresh_port().unwrap()));
        let (users, settings) = (folder.join("users"), folder.join("pgbouncer.ini"));
        let user = &world.database.user;
        fs::write(&users, format!("\"{user}\" \"{}\"\n", world.database.password)).unwrap();
        let lines = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = transaction\ndefault_pool_size = 2\n\
             server_login_retry = 1\n",
            server.address().port(),
            address.port(),
            users.display(),
        );
        fs::write(&settings, lines).unwrap();
        // Like the server, it doesn't run as root.
        let account = fs::metadata(server.ca_certificate().unwrap()).unwrap();
        for file in [&folder, &users, &settings] {
            chown(file, Some(account.uid()), Some(account.gid())).unwrap();
        }
        let mut command = Command::new(program);
        command
            .arg(settings)
            .uid(account.uid())
            .gid(account.gid())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = command.spawn().unwrap();
        let mut guard = Command::new("sh");
        guard.args(["-c", "read -r _; kill -9 \"$0\"", &process.id().to_string()]);
        let guard = guard.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let pooler = Self { process, guard, folder, address };
        let listens = async {
            while TcpStream::connect(address).is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(30), listens).await.unwrap();
        Some(pooler)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        for process in [&mut self.guard, &mut self.process] {
            let _ = process.kill();
            let _ = process.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test]
async fn a_pooler_whose_server_goes_away_is_waited_for() {
    let Some((server, mut world)) = own_server("pooled_away").await else { return };
    let Some(pooler) = Pooler::start(&server, &world).await else { return };
    let url = format!("{}&connect_timeout=1", world.database.url_through(pooler.address));
    let settings = Settings::read(Some(&url), |_| None).unwrap();
    world.tables = database::Database::new(settings.pool(2).unwrap());
    let mut wanted = spec("t", &[("a", "integer")]);
    assert_eq!(world.apply(&wanted).await.unwrap().outcome, Outcome::Created);
    server.stop().await.unwrap();
    wanted = spec("t", &[("a", "integer"), ("b", "integer")]);
    // It holds the first one up, and rejects the others at once.
    for _ in 0..3 {
        assert_is_away(&world.apply(&wanted).await.unwrap_err());
    }
    server.resume().await.unwrap();
    let outcome = world.apply_until_there(&wanted).await;
    assert_eq!(outcome, Outcome::ColumnsAdded(vec!["b".into()]));
}
