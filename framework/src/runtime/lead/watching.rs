//! Watching Leases: lists them, and shows how they change, for as long as the operator lives.

use super::{
    Moment,
    leases::{Leases, Outcome, Refusal, Sighting, record},
};
use crate::{
    runtime::{backoff::WatchBackoff, watch::server_timeout},
    settings::Settings,
};
use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    ResourceExt,
    api::{WatchEvent, WatchParams},
};
use std::time::Duration;
use tokio::{
    sync::mpsc::Sender,
    time::{Instant, sleep},
};

/// A watch that ends sooner has not worked.
const LEAST: Duration = Duration::from_secs(1);

/// Shows all Leases of the operator, now and whenever one changes.
pub async fn watch(leases: &Leases, settings: &Settings, sightings: &Sender<Sighting>) {
    let timeout = server_timeout(settings);
    let mut backoff = WatchBackoff::up_to(settings.leases.retry_period);
    let limit = settings.leases.renew_deadline / 2;
    loop {
        let begun = Moment::now();
        let Outcome { verb, result } = leases.list(limit).await;
        let (asked, listed) = match result {
            Ok(listed) => (Ok(()), Some(listed)),
            Err(refusal) => (Err(refusal), None),
        };
        if sightings.send(Sighting::Asked(verb, asked)).await.is_err() {
            return;
        }
        if let Some((records, mut version)) = listed {
            if sightings.send(Sighting::Listed(records, begun)).await.is_err() {
                return;
            }
            loop {
                let opened = Instant::now();
                let goes_on = follow(leases, timeout, &mut version, sightings).await;
                // What ends at once isn't to be opened again and again.
                if !goes_on || opened.elapsed() < LEAST {
                    break;
                }
            }
        }
        sleep(backoff.next().unwrap_or(Duration::ZERO)).await;
    }
}

/// Watches from this version on, until the API server ends that. Whether it can be watched from where it has ended.
async fn follow(leases: &Leases, timeout: u32, version: &mut String, sightings: &Sender<Sighting>) -> bool {
    let params = WatchParams::default().labels(&leases.selector()).timeout(timeout);
    let asked = |result| Sighting::Asked("watch", result);
    let mut events = match leases.api().watch(&params, version).await {
        Ok(events) => events.boxed(),
        Err(error) => {
            let _ = sightings.send(asked(Err(Refusal::of(&error)))).await;
            return false;
        }
    };
    if sightings.send(asked(Ok(()))).await.is_err() {
        return false;
    }
    while let Some(event) = events.next().await {
        let of = |lease: Lease| (lease.resource_version(), record(lease));
        let (newest, sighting) = match event {
            Ok(WatchEvent::Added(lease) | WatchEvent::Modified(lease)) => {
                let (newest, record) = of(lease);
                (newest, Some(Sighting::Seen(record)))
            }
            Ok(WatchEvent::Deleted(lease)) => {
                let (newest, record) = of(lease);
                (newest, Some(Sighting::Gone(record)))
            }
            Ok(WatchEvent::Bookmark(bookmark)) => (Some(bookmark.metadata.resource_version), None),
            // A version that is too old, or a broken connection: all are listed again.
            Ok(WatchEvent::Error(_)) | Err(_) => return false,
        };
        if let Some(newest) = newest {
            *version = newest;
        }
        if let Some(sighting) = sighting
            && sightings.send(sighting).await.is_err()
        {
            return false;
        }
    }
    true
}
