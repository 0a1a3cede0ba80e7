#!/usr/bin/env bash
# tokio (Rust): the receivers of a watch channel are woken in random order, even on a current-thread runtime
#
# Versions: tokio 1.54.1.
#
# Ten receivers of a channel of `tokio::sync::watch` wait in tasks that were spawned in their order. Each value wakes them in another
# order, from one run of the same program to the next, too: the channel spreads them over eight lists, and chooses those at random.
# So a simulation that is to be reproducible can't have two of them. `Notify::notify_waiters` keeps the order in which they began
# to wait. Orders among 200 rounds:
#
#     watch: more than one order
#     notify: one order
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat > "$folder/Cargo.toml" <<'TOML'
[package]
name = "asks"
version = "0.0.0"
edition = "2024"
[workspace]
[dependencies]
tokio = { version = "=VERSION", features = ["macros", "rt", "sync"] }
TOML
sed -i "s/VERSION/$(sed -n 's/^# Versions: tokio \(.*\)\.$/\1/p' "$0")/" "$folder/Cargo.toml"
cat > "$folder/src/main.rs" <<'RUST'
use std::{collections::BTreeSet, sync::{Arc, Mutex}};
use tokio::{sync::{Notify, watch}, task::{JoinSet, yield_now}};

async fn order(by_watch: bool) -> Vec<usize> {
    let (sender, receiver) = watch::channel(0);
    let (notify, seen) = (Arc::new(Notify::new()), Arc::new(Mutex::new(Vec::new())));
    let mut tasks = JoinSet::new();
    for number in 0..10 {
        let (mut receiver, notify, seen) = (receiver.clone(), notify.clone(), seen.clone());
        tasks.spawn(async move {
            if by_watch { receiver.changed().await.unwrap() } else { notify.notified().await }
            seen.lock().unwrap().push(number);
        });
    }
    // All of them begin to wait, in their order.
    yield_now().await;
    sender.send(1).unwrap();
    notify.notify_waiters();
    tasks.join_all().await;
    seen.lock().unwrap().clone()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    for (name, by_watch) in [("watch", true), ("notify", false)] {
        let mut orders = BTreeSet::new();
        for _ in 0..200 {
            orders.insert(order(by_watch).await);
        }
        println!("{name}: {}", if orders.len() == 1 { "one order" } else { "more than one order" });
    }
}
RUST
seen=$(cd "$folder" && cargo run --quiet)
echo "$seen"
expected=$(sed -n 's/^#     //p' "$0")
if [ "$seen" = "$expected" ]; then
  echo "as described"
else
  echo "it is no longer as described" >&2
  exit 1
fi
