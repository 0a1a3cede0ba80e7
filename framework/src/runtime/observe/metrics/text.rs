//! Text of metrics: their names, labels and units.

use super::{
    Counts, KindMetrics, LEASE_CHANGES, Own,
    kind::{OUTCOMES, Restart},
    lock,
};
use crate::core::queue::ObjectCounts;
use http::{HeaderMap, header::ACCEPT};
use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, MetricEncoder, NoLabelSet, prometheus_text, text,
    },
    metrics::MetricType,
    registry::{Registry, Unit},
};
use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
};

/// The form of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// That of the OpenMetrics standard, 1.0.
    OpenMetrics,
    /// Prometheus' own, 0.0.4, for those that don't ask for another one.
    Prometheus,
}

impl Format {
    /// What a request asks for.
    pub fn asked(headers: &HeaderMap) -> Self {
        let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        if accepted.any(|value| value.contains("application/openmetrics-text")) {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// The value of the header `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
        }
    }

    pub(super) fn encode(self, registry: &Registry) -> String {
        let mut all = String::new();
        let written = match self {
            Self::OpenMetrics => text::encode(&mut all, registry),
            Self::Prometheus => prometheus_text::encode(&mut all, registry),
        };
        // A string takes all; only a metric of the operator's own may fail.
        if written.is_err() {
            tracing::error!(target: "korf::engine", "A metric can't be written as text, so all that come after it are missing.");
        }
        all
    }
}

/// Labels: names and values.
type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

impl Collector for Own {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let kinds: Vec<_> = lock(&self.kinds).values().cloned().collect();
        let counts = lock(&self.counts).clone();
        self.encode_operator(encoder)?;
        encode_runs(encoder, &kinds)?;
        self.encode_activities(encoder)?;
        encode_counts(encoder, &counts)?;
        encode_writes(encoder, &kinds)?;
        encode_watches(encoder, &kinds)?;
        self.encode_leases(encoder)?;
        let dropped = self.events_dropped.load(Relaxed);
        counter(encoder, "korf_events_dropped", "Kubernetes Events that were not posted", |metric| {
            metric.encode_counter::<NoLabelSet, _, f64>(&dropped, None)
        })
    }
}

impl Own {
    fn encode_operator(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let version = self.version.get().map_or("", String::as_str);
        let build: Labels<'_, 3> =
            [("operator", &self.operator), ("version", version), ("korf", env!("CARGO_PKG_VERSION"))];
        encoder
            .encode_descriptor(
                "korf_build",
                "The operator's name and version, and that of korf",
                None,
                MetricType::Info,
            )?
            .encode_info(&build)?;
        for (name, help, report) in [
            ("korf_alive", "Whether the operator is alive, as /livez says", self.health.live()),
            ("korf_ready", "Whether the operator is ready, as /readyz says", self.health.ready()),
        ] {
            gauge(encoder, name, help, &u32::from(report.has_passed()))?;
        }
        Ok(())
    }

    fn encode_leases(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let held = lock(&self.held).len();
        gauge(encoder, "korf_leases_held", "The Leases that this replica holds", &held)?;
        let help = "Leases that this replica has taken, handed over, or lost";
        counter(encoder, "korf_lease_changes", help, |metric| {
            for (change, count) in LEASE_CHANGES.into_iter().zip(&self.lease_changes) {
                add(metric, [("change", change)], count.load(Relaxed))?;
            }
            Ok(())
        })
    }

    fn encode_activities(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let activities = self.activities().clone();
        let help = "Attempts of start-up, login, clean-up and probe handlers";
        counter(encoder, "korf_activity_runs", help, |metric| {
            for ((activity, id), counts) in &activities {
                for (outcome, count) in OUTCOMES.into_iter().zip(counts) {
                    add(
                        metric,
                        [("activity", *activity), ("handler", id.as_str()), ("outcome", outcome)],
                        *count,
                    )?;
                }
            }
            Ok(())
        })
    }
}

fn encode_runs(encoder: &mut DescriptorEncoder<'_>, kinds: &[Arc<KindMetrics>]) -> fmt::Result {
    counter(encoder, "korf_handler_runs", "Attempts of handlers that have ended", |metric| {
        for kind in kinds {
            for (handler, reason, runs) in kind.runs() {
                for (outcome, count) in runs.outcomes() {
                    let labels = [
                        ("kind", kind.title()),
                        ("handler", &handler),
                        ("reason", reason),
                        ("outcome", outcome),
                    ];
                    add(metric, labels, count)?;
                }
            }
        }
        Ok(())
    })?;
    let help = "How long the attempts of handlers take";
    let mut metric = encoder.encode_descriptor(
        "korf_handler_duration",
        help,
        Some(&Unit::Seconds),
        MetricType::Histogram,
    )?;
    for kind in kinds {
        for (handler, reason, runs) in kind.runs() {
            let labels = [("kind", kind.title()), ("handler", &*handler), ("reason", reason)];
            let seconds = runs.seconds.buckets();
            metric.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                seconds.sum,
                seconds.count,
                &seconds.buckets,
                None,
            )?;
        }
    }
    Ok(())
}

fn encode_counts(encoder: &mut DescriptorEncoder<'_>, counts: &Counts) -> fmt::Result {
    gauges(
        encoder,
        "korf_objects",
        "The objects that are there, by what the operator does for them",
        |metric| {
            for (kind, counts) in &counts.kinds {
                let ObjectCounts { served, waiting, retried, failed, foreign } = counts.objects;
                for (state, count) in [
                    ("served", served),
                    ("waiting", waiting),
                    ("retried", retried),
                    ("failed", failed),
                    ("foreign", foreign),
                ] {
                    metric
                        .encode_family(&[("kind", kind.as_str()), ("state", state)])?
                        .encode_gauge(&count)?;
                }
            }
            Ok(())
        },
    )?;
    gauges(encoder, "korf_handlers_running", "The handlers that run, without daemons", |metric| {
        for (kind, counts) in &counts.kinds {
            metric.encode_family(&[("kind", kind.as_str())])?.encode_gauge(&counts.running)?;
        }
        Ok(())
    })?;
    gauge(encoder, "korf_daemons_running", "The daemons that run", &counts.daemons)?;
    gauge(encoder, "korf_queue_depth", "The objects that wait for a worker", &counts.queued)?;
    let help = "For how long the first object has waited for a worker";
    encoder
        .encode_descriptor("korf_queue_oldest_age", help, Some(&Unit::Seconds), MetricType::Gauge)?
        .encode_gauge(&counts.oldest.as_secs_f64())?;
    gauge(encoder, "korf_workers", "The objects that may be handled at the same time", &counts.workers)?;
    gauge(encoder, "korf_workers_busy", "The objects that are being handled", &counts.busy)?;
    gauge(encoder, "korf_outages", "What is away that handlers need: the number of causes", &counts.outages)?;
    gauge(encoder, "korf_shards", "The parts into which all objects are divided", &counts.shards)?;
    gauge(encoder, "korf_shards_served", "The parts whose objects this replica handles", &counts.served)
}

fn encode_writes(encoder: &mut DescriptorEncoder<'_>, kinds: &[Arc<KindMetrics>]) -> fmt::Result {
    counter(encoder, "korf_writes", "PATCHes of objects and of their statuses", |metric| {
        for kind in kinds {
            for (part, outcome, count) in kind.writes.outcomes() {
                add(metric, [("kind", kind.title()), ("part", part), ("outcome", outcome)], count)?;
            }
        }
        Ok(())
    })?;
    counter(encoder, "korf_write_retries", "PATCHes that were sent once more", |metric| {
        for kind in kinds {
            add(metric, [("kind", kind.title())], kind.writes.retries.load(Relaxed))?;
        }
        Ok(())
    })?;
    let help = "How long the API server takes to answer PATCHes";
    let mut metric = encoder.encode_descriptor(
        "korf_write_duration",
        help,
        Some(&Unit::Seconds),
        MetricType::Histogram,
    )?;
    for kind in kinds {
        let seconds = kind.writes.seconds.buckets();
        metric.encode_family(&[("kind", kind.title())])?.encode_histogram::<NoLabelSet>(
            seconds.sum,
            seconds.count,
            &seconds.buckets,
            None,
        )?;
    }
    Ok(())
}

fn encode_watches(encoder: &mut DescriptorEncoder<'_>, kinds: &[Arc<KindMetrics>]) -> fmt::Result {
    let help = "Watches that began again because they failed, or could not go on from where they were";
    counter(encoder, "korf_watch_restarts", help, |metric| {
        for kind in kinds {
            for (reason, count) in Restart::ALL.into_iter().zip(&kind.restarts) {
                add(metric, [("kind", kind.title()), ("reason", reason.as_str())], count.load(Relaxed))?;
            }
        }
        Ok(())
    })
}

/// A counter, whose name ends with `_total` in the text.
fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    all: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    all(&mut encoder.encode_descriptor(name, help, None, MetricType::Counter)?)
}

/// A gauge with labels.
fn gauges(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    all: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    all(&mut encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

/// A gauge without labels.
fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: &impl EncodeGaugeValue,
) -> fmt::Result {
    gauges(encoder, name, help, |metric| metric.encode_gauge(value))
}

/// One count of a counter.
fn add(metric: &mut MetricEncoder<'_>, labels: impl EncodeLabelSet, count: u64) -> fmt::Result {
    metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&count, None)
}
