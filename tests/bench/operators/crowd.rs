//! Crowd: a thousand objects of fifty kinds, and one of them that changes a hundred times a second.

use super::{Error, contender::Place, install, process::Process, report, report::Table};
use futures::{StreamExt, TryStreamExt, stream};
use korf_sandbox::Sandbox;
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::json;
use std::{
    fs,
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::{MissedTickBehavior, interval, sleep};

const KINDS: usize = 50;
const OBJECTS: usize = 1_000;
/// The changes of other objects, in each phase.
const CHANGES: usize = 400;
/// The time between two changes of other objects.
const PACE: Duration = Duration::from_millis(25);
/// The time between two changes of the hot object.
const HOT: Duration = Duration::from_millis(10);
const ROUNDS: usize = 3;

/// Measures how long a change of another object takes to reach its handler, without and with the hot object.
pub async fn run() -> Result<String, Error> {
    eprintln!("a hot object in a crowd");
    let sandbox = Sandbox::start().await?;
    let names: Vec<_> = (0..KINDS).map(|kind| format!("load{kind}s.bench.korf.dev")).collect();
    install(&sandbox, &(0..KINDS).map(definition).collect::<String>(), &names)?;
    let crowd = Crowd::start(&sandbox).await?;
    let (mut calm, mut hot, mut changes) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        calm.extend(crowd.change_others().await?);
        let (others, count) = crowd.beside_the_hot_one(crowd.change_others()).await?;
        hot.extend(others);
        changes += count;
    }
    let mut table = Table::new(["change → handler", "p50: ms", "p99: ms"]);
    let [calm, hot] = [calm, hot].map(|mut times| {
        times.sort_by(f64::total_cmp);
        [0.5, 0.99].map(|share| report::at(&times, share) / 1000.0)
    });
    table.add(["without the hot object", &format!("{:.1}", calm[0]), &format!("{:.1}", calm[1])]);
    table.add(["with it", &format!("{:.1}", hot[0]), &format!("{:.1}", hot[1])]);
    let ratio = |at: usize| hot[at] / calm[at];
    let goal = report::goal_cell(Some(ratio(1)), Some(2.0));
    table.add(["ratio", &format!("{:.2}", ratio(0)), &format!("{:.2} ({goal})", ratio(1))]);
    let seconds = PACE.as_secs_f64() * f64::from(u32::try_from(CHANGES * ROUNDS)?);
    Ok(format!(
        "{KINDS} kinds, {OBJECTS} objects, {} changes of them a second; the hot object changed {:.0} times a second.\n\n{}",
        1.0 / PACE.as_secs_f64(),
        f64::from(u32::try_from(changes)?) / seconds,
        table.0
    ))
}

/// The operator of fifty kinds, and its objects.
struct Crowd {
    client: Client,
    place: Place,
    _process: Process,
}

impl Crowd {
    async fn start(sandbox: &Sandbox) -> Result<Self, Error> {
        let place = Place {
            kubeconfig: sandbox.control_plane.kubeconfig().to_owned(),
            namespace: sandbox.control_plane.create_namespace("crowd").await?,
            database_url: String::new(),
            log: std::env::temp_dir().join(format!("korf-bench-crowd-{}.log", std::process::id())),
        };
        let client = sandbox.control_plane.client().await?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_crowd"));
        place.prepare(&mut command)?;
        let crowd = Self { client, place, _process: Process::start(&mut command)? };
        let created = stream::iter(0..OBJECTS).map(|number| crowd.create(number)).buffer_unordered(16);
        created.try_collect::<()>().await?;
        // All are handled once their creations are.
        sleep(Duration::from_secs(5)).await;
        Ok(crowd)
    }

    fn objects(&self, kind: usize) -> Api<DynamicObject> {
        let gvk = GroupVersionKind::gvk("bench.korf.dev", "v1", &format!("Load{kind}"));
        let resource = ApiResource::from_gvk_with_plural(&gvk, &format!("load{kind}s"));
        Api::namespaced_with(self.client.clone(), &self.place.namespace, &resource)
    }

    async fn create(&self, number: usize) -> Result<(), Error> {
        let kind = number % KINDS;
        let object = json!({
            "apiVersion": "bench.korf.dev/v1", "kind": format!("Load{kind}"),
            "metadata": {"name": format!("object-{number}")}, "spec": {"at": 0},
        });
        self.objects(kind).create(&PostParams::default(), &serde_json::from_value(object)?).await?;
        Ok(())
    }

    async fn change(&self, number: usize) -> Result<(), Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
        let patch = Patch::Merge(json!({"spec": {"at": u64::try_from(now)?}}));
        let objects = self.objects(number % KINDS);
        objects.patch(&format!("object-{number}"), &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// Changes other objects, and returns the microseconds until their handlers were called.
    async fn change_others(&self) -> Result<Vec<f64>, Error> {
        let before = fs::read_to_string(&self.place.log)?.len();
        let mut ticks = interval(PACE);
        for number in 0..CHANGES {
            ticks.tick().await;
            self.change(1 + number * 7 % (OBJECTS - 1)).await?;
        }
        sleep(Duration::from_secs(1)).await;
        let log = fs::read_to_string(&self.place.log)?;
        let lines = log[before..].lines().filter(|line| !line.starts_with("object-0 "));
        let times: Vec<f64> =
            lines.filter_map(|line| line.strip_prefix("object-")?.split_once(' ')?.1.parse().ok()).collect();
        let missing = CHANGES.saturating_sub(times.len());
        if missing > 0 {
            Err(format!("{missing} of {CHANGES} changes have not reached a handler").into())
        } else {
            Ok(times)
        }
    }

    /// Does something while the hot object changes; returns how often it has.
    async fn beside_the_hot_one<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<(T, usize), Error> {
        let mut changes = 0;
        let heat = async {
            let mut ticks = interval(HOT);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            loop {
                ticks.tick().await;
                self.change(0).await?;
                changes += 1;
            }
        };
        let done = tokio::select! {
            done = work => done?,
            Err::<(), Error>(error) = heat => return Err(error),
        };
        Ok((done, changes))
    }
}

fn definition(kind: usize) -> String {
    format!(
        "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
         metadata: {{name: load{kind}s.bench.korf.dev}}\nspec:\n  group: bench.korf.dev\n  scope: Namespaced\n  \
         names: {{kind: Load{kind}, plural: load{kind}s, singular: load{kind}}}\n  versions:\n  - name: v1\n    \
         served: true\n    storage: true\n    schema:\n      openAPIV3Schema: {{type: object, \
         x-kubernetes-preserve-unknown-fields: true}}\n"
    )
}
