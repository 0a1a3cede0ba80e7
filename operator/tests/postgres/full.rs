//! A disk that is full.

use crate::support::{World, has_own_server, skip, spec};
use database_table_operator::{
    error::{TableError, Wait},
    outcome::Outcome,
    sqlstate::ErrorClass,
    status::ConditionReason,
};
use korf_sandbox::Postgres;
use serde_json::json;
use std::{
    fs,
    io::Write,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A small disk of its own, in memory.
struct Disk(PathBuf);

impl Disk {
    /// A disk for a server's account; `None`, with a word why, if we may not mount one.
    fn mount(server: &Postgres, mebibytes: u32) -> Option<Self> {
        let folder = std::env::temp_dir().join(format!("korf-disk-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let account = fs::metadata(server.ca_certificate().unwrap()).unwrap();
        let options = format!("size={mebibytes}m,mode=0700,uid={},gid={}", account.uid(), account.gid());
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&folder).stderr(Stdio::null());
        if mount.status().is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        fs::remove_dir(&folder).unwrap();
        skip("only root may mount a disk of its own");
        None
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Fills all of it but this much.
    fn fill_but(&self, bytes: u64) {
        let mut file = fs::File::create(self.ballast()).unwrap();
        while file.write_all(&[1; 8192]).is_ok() {}
        let full = file.metadata().unwrap().len();
        file.set_len(full.saturating_sub(bytes)).unwrap();
    }

    fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    /// The server may still use it.
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
        let _ = fs::remove_dir(&self.0);
    }
}

/// A database with all that it has, the catalog too, on a disk.
async fn on_disk(server: &Postgres, disk: &Path) -> World {
    let database = server.create_database("on_disk").await.unwrap();
    let move_it = [
        format!("CREATE TABLESPACE small LOCATION '{}'", disk.display()),
        "ALTER DATABASE on_disk SET TABLESPACE small".to_owned(),
    ];
    let other = server.create_database("other").await.unwrap().connect_as_superuser().await.unwrap();
    for statement in move_it {
        other.batch_execute(&statement).await.unwrap();
    }
    World::of(database).await
}

fn assert_is_full(error: &TableError, wait: Wait) {
    let expected = (ErrorClass::Temporary, ConditionReason::DatabaseUnavailable, wait);
    assert_eq!((error.class(), error.reason(), error.wait()), expected, "{error}");
    assert!(error.to_string().contains("No space left on device"), "{error}");
}

#[tokio::test]
async fn a_full_disk_is_waited_for_and_an_index_that_has_no_room_is_dropped_and_built_again_minutes_later() {
    if !has_own_server("a given server has its own disk") {
        return;
    }
    let server = Postgres::start().await.unwrap();
    let Some(disk) = Disk::mount(&server, 24) else { return };
    let world = on_disk(&server, &disk.0).await;
    let mut wanted = spec("t", &[("a", "integer")]);
    world.apply(&wanted).await.unwrap();
    world.run("INSERT INTO t SELECT generate_series(1, 100000)").await;
    let mut other = spec("u", &[("a", "integer")]);
    other["primaryKey"] = json!("a");
    disk.fill_but(0);
    assert_is_full(&world.apply_as("b", &other).await.unwrap_err(), Wait::ForDatabase);
    assert_eq!(world.columns("u").await, []);

    disk.fill_but(1 << 20);
    wanted["indexes"] = json!([{"name": "by_a", "columns": ["a"]}]);
    let error = world.apply(&wanted).await.unwrap_err();
    assert_is_full(&error, Wait::ForRoom);
    assert!(error.to_string().starts_with("index \"by_a\" of table public.t"), "{error}");
    let left = "SELECT count(*) FROM pg_class WHERE relkind = 'i' AND relname = 'by_a'";
    assert_eq!(world.sql.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0, "others need the room");

    disk.make_room();
    assert_eq!(
        world.apply(&wanted).await.unwrap().outcome,
        Outcome::Changed(vec!["index \"by_a\"".to_owned()])
    );
    assert_eq!(world.apply_as("b", &other).await.unwrap().outcome, Outcome::Created);
}
