#!/usr/bin/env bash
# tracing-subscriber (Rust): a filtered layer doesn't find the parents of a span that its filter has left out
#
# Versions: tracing 0.1.44, tracing-subscriber 0.3.23.
#
# Two layers; one wants all spans, the other has a filter that passes `outer` and leaves `inner` out. `inner` is made within `outer`,
# so that `outer` is its parent. An event in `inner` has the scope of `outer` for the second layer while both are entered. Where a
# task has entered `inner` alone, as `tokio::spawn(work.in_current_span())` does, the second layer sees no scope at all: its
# `Context::event_scope` looks for a span that passes among those that are entered on the thread, and not among the parents. What a
# log line of a task says of its context depends on whether another layer (for traces, say) is there, even one that is `Identity`.
# Whether the event has the scope of `outer`:
#
#     both are entered: yes
#     inner alone is entered: no
#     inner alone is entered, without the other layer: yes
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
tracing = "=TRACING"
tracing-subscriber = { version = "=SUBSCRIBER", default-features = false, features = ["registry", "std"] }
TOML
versions=$(sed -n 's/^# Versions: tracing \(.*\), tracing-subscriber \(.*\)\.$/\1 \2/p' "$0")
sed -i "s/TRACING/${versions% *}/; s/SUBSCRIBER/${versions#* }/" "$folder/Cargo.toml"
cat > "$folder/src/main.rs" <<'RUST'
use std::sync::{Arc, Mutex};
use tracing::{Event, Subscriber, info, info_span, subscriber::with_default};
use tracing_subscriber::{
    Layer, Registry,
    filter::filter_fn,
    layer::{Context, Identity, SubscriberExt},
    registry::LookupSpan,
};

/// Notes whether an event is in `outer`.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<bool>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Notes {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut scope = context.event_scope(event).into_iter().flatten();
        self.0.lock().unwrap().push(scope.any(|span| span.name() == "outer"));
    }
}

fn both() {
    info_span!("outer").in_scope(|| info_span!("inner").in_scope(|| info!("here")));
}

fn inner_alone() {
    let inner = info_span!("outer").in_scope(|| {
        // What `in_current_span` takes along.
        info_span!("inner").in_scope(tracing::Span::current)
    });
    inner.in_scope(|| info!("here"));
}

fn seen(other: bool, work: fn()) -> &'static str {
    let notes = Notes::default();
    let passes = || filter_fn(|metadata| metadata.is_event() || metadata.name() == "outer");
    if other {
        let registry = Registry::default().with(Identity::new());
        with_default(registry.with(notes.clone().with_filter(passes())), work);
    } else {
        with_default(Registry::default().with(notes.clone().with_filter(passes())), work);
    }
    if notes.0.lock().unwrap()[0] { "yes" } else { "no" }
}

fn main() {
    println!("both are entered: {}", seen(true, both));
    println!("inner alone is entered: {}", seen(true, inner_alone));
    // The same call sites would be remembered as wanted.
    tracing::callsite::rebuild_interest_cache();
    println!("inner alone is entered, without the other layer: {}", seen(false, inner_alone));
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
