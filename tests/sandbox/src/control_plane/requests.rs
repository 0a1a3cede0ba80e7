//! Request counts, from the API server's metrics.

use std::collections::BTreeMap;

/// The number of requests so far, by (verb, subresource). The verbs are the API server's: `GET`, `LIST`,
/// `WATCH`, `POST`,
/// `PUT`, `PATCH`, `APPLY`, `DELETE`, `DELETECOLLECTION`. Without a subresource, that part is the empty string.
pub type RequestCounts = BTreeMap<(String, String), u64>;

/// Sums `apiserver_request_total` over everything but the verb and the subresource. `resource` is the plural,
/// or
/// `plural.group` if two groups have the same plural.
pub(crate) fn sum_by_verb(metrics: &str, resource: &str) -> RequestCounts {
    let (plural, group) = resource.split_once('.').map_or((resource, None), |(p, g)| (p, Some(g)));
    let mut counts = RequestCounts::new();
    for sample in metrics.lines().filter_map(|line| line.strip_prefix("apiserver_request_total{")) {
        let Some((labels, value)) = sample.rsplit_once("} ") else { continue };
        let label = |name: &str| label(labels, name);
        if label("resource") == plural && group.is_none_or(|group| label("group") == group) {
            let key = (label("verb").to_owned(), label("subresource").to_owned());
            *counts.entry(key).or_default() += number(value);
        }
    }
    counts
}

/// The value of a label. None of the values that we need contains a comma or a quote.
fn label<'a>(labels: &'a str, name: &str) -> &'a str {
    let mut pairs = labels.split(',').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map_or("", |(_, value)| value.trim_matches('"'))
}

/// Parses a count. Prometheus writes large ones as 1e+06.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, and far below 2^53")]
fn number(value: &str) -> u64 {
    value.trim().parse::<f64>().unwrap_or_default() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = r#"# TYPE apiserver_request_total counter
apiserver_request_total{code="200",component="apiserver",dry_run="",group="a.dev",resource="tables",scope="resource",subresource="",verb="PATCH",version="v1"} 3
apiserver_request_total{code="409",component="apiserver",dry_run="",group="a.dev",resource="tables",scope="resource",subresource="",verb="PATCH",version="v1"} 1
apiserver_request_total{code="200",component="apiserver",dry_run="",group="a.dev",resource="tables",scope="resource",subresource="status",verb="PATCH",version="v1"} 2
apiserver_request_total{code="200",component="apiserver",dry_run="",group="b.dev",resource="tables",scope="cluster",subresource="",verb="LIST",version="v1"} 1.2e+06
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="pods",scope="cluster",subresource="",verb="LIST",version="v1"} 7
"#;

    #[test]
    fn requests_are_summed_by_verb_and_subresource() {
        let key = |verb: &str, subresource: &str| (verb.to_owned(), subresource.to_owned());
        let of_a = RequestCounts::from([(key("PATCH", ""), 4), (key("PATCH", "status"), 2)]);
        assert_eq!(sum_by_verb(METRICS, "tables.a.dev"), of_a);
        assert_eq!(sum_by_verb(METRICS, "tables")[&key("LIST", "")], 1_200_000);
        assert_eq!(sum_by_verb(METRICS, "nodes"), RequestCounts::new());
    }
}
