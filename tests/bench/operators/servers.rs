//! Servers: what the API server, etcd and PostgreSQL take of the processor, by Linux's `/proc`.
//!
//! All share the processors with the operator that is measured, so their work for it counts as much as its own.

use super::process::stat;
use std::{collections::HashMap, fs, time::Duration};

/// The processor time of the servers so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServersCpu {
    /// That of the API server and etcd.
    pub control_plane: Duration,
    /// That of PostgreSQL, with its connections.
    pub postgres: Duration,
}

impl ServersCpu {
    /// The time of the servers that this process has started, until now.
    pub fn now() -> Self {
        let all: HashMap<u32, _> = pids().filter_map(|pid| Some((pid, stat(pid)?))).collect();
        let ours = |mut pid: u32| loop {
            match all.get(&pid) {
                Some(stat) if stat.parent == std::process::id() => return true,
                Some(stat) => pid = stat.parent,
                None => return false,
            }
        };
        let mut time = Self::default();
        for (pid, stat) in &all {
            let is = |pid: &u32, name| all.get(pid).is_some_and(|stat| stat.name == name);
            match &*stat.name {
                "kube-apiserver" | "etcd" if ours(*pid) => time.control_plane += stat.cpu,
                "postgres" if ours(*pid) => {
                    time.postgres += stat.cpu;
                    // Connections that have ended count with the server that has started them.
                    if !is(&stat.parent, "postgres") {
                        time.postgres += stat.cpu_of_children;
                    }
                }
                _ => {}
            }
        }
        time
    }

    /// The time since another point.
    pub fn since(self, before: Self) -> Self {
        Self {
            control_plane: self.control_plane.saturating_sub(before.control_plane),
            postgres: self.postgres.saturating_sub(before.postgres),
        }
    }
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}
