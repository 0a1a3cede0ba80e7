//! Hour: five thousand objects with timers, daemons and an index, while namespaces come and go, the API server is restarted
//! and tokens are rotated; compressed to a tenth.

use super::{Error, contender::Place, install, process::Process, report, report::Table};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Namespace;
use korf_sandbox::Sandbox;
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};
use std::{
    fs,
    ops::Range,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};

/// The objects that are there all the time, and the namespaces that they are in.
const OBJECTS: usize = 5_000;
const NAMESPACES: usize = 5;
/// The objects of a namespace that comes and goes.
const GUESTS: usize = 100;
/// The length, which stands for ten times as much.
const LENGTH: Duration = Duration::from_secs(360);
/// The times between two namespaces, restarts of the API server, rotations of the token, and samples.
const NAMESPACE: Duration = Duration::from_secs(30);
const RESTART: Duration = Duration::from_secs(36);
const ROTATION: Duration = Duration::from_secs(60);
const SAMPLE: Duration = Duration::from_secs(3);
/// How long the operator may take to come to rest.
const REST: Duration = Duration::from_secs(120);

/// What the operator has at one time.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    /// In MiB.
    memory: f64,
    tasks: f64,
    files: f64,
}

/// Measures what an operator keeps.
pub async fn run() -> Result<String, Error> {
    let hour = Hour::start().await?;
    hour.until(|state| state.daemons == OBJECTS && state.indexed == OBJECTS).await?;
    sleep(SAMPLE).await;
    let (first, cpu) = (hour.sample()?, hour.process.cpu());
    let samples = hour.live().await?;
    let cpu = (hour.process.cpu() - cpu).as_secs_f64();
    hour.until(|state| state.daemons == OBJECTS && state.indexed == OBJECTS).await?;
    sleep(SAMPLE).await;
    let (last, ticks) = (hour.sample()?, hour.state()?.ticks);
    let quarter = |at: usize| median(&samples[samples.len() * at / 4..samples.len() * (at + 1) / 4]);
    let mut table = Table::new(["median", "memory, MiB", "tasks", "open files"]);
    let rows =
        [("before", first), ("second quarter", quarter(1)), ("last", quarter(3)), ("after, at rest", last)];
    for (name, Sample { memory, tasks, files }) in rows {
        table.add([name, &format!("{memory:.1}"), &format!("{tasks:.0}"), &format!("{files:.0}")]);
    }
    let errors = fs::read_to_string(&hour.log)?.matches("ERROR").count();
    let growth = quarter(3).memory / quarter(1).memory;
    let goal = report::goal_cell(Some(growth), Some(1.05));
    hour.stop().await?;
    Ok(format!(
        "{OBJECTS} objects in {NAMESPACES} namespaces, each with two timers, a daemon and a place in an index; {} namespaces of \
         {GUESTS} objects came and went, the API server was restarted {} times, the token was rotated {} times; {ticks} calls \
         of timers, {cpu:.0} CPU seconds in {} seconds; the log has {errors} ERROR lines.\n\n{}\nMemory in the last quarter, to the second: {growth:.3} ({goal}).\n",
        LENGTH.as_secs() / NAMESPACE.as_secs(),
        LENGTH.as_secs() / RESTART.as_secs(),
        LENGTH.as_secs() / ROTATION.as_secs(),
        LENGTH.as_secs(),
        table.0
    ))
}

fn median(samples: &[Sample]) -> Sample {
    let of = |part: fn(&Sample) -> f64| {
        let mut values: Vec<_> = samples.iter().map(part).collect();
        values.sort_by(f64::total_cmp);
        report::at(&values, 0.5)
    };
    Sample {
        memory: of(|sample| sample.memory),
        tasks: of(|sample| sample.tasks),
        files: of(|sample| sample.files),
    }
}

/// What the operator prints of itself, once a second.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    tasks: usize,
    daemons: usize,
    indexed: usize,
    ticks: usize,
}

struct Hour {
    sandbox: Sandbox,
    client: Client,
    log: PathBuf,
    folder: PathBuf,
    process: Process,
}

impl Hour {
    async fn start() -> Result<Self, Error> {
        eprintln!("an hour, compressed");
        let sandbox = Sandbox::start().await?;
        install(&sandbox, CRD, &["hours.bench.korf.dev".to_owned()])?;
        let client = sandbox.control_plane.client().await?;
        let folder = std::env::temp_dir().join(format!("korf-bench-hour-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let log = folder.join("log");
        kubectl(&sandbox, &["create", "serviceaccount", "robot"])?;
        let binding = ["--clusterrole=cluster-admin", "--serviceaccount=default:robot"];
        kubectl(&sandbox, &[&["create", "clusterrolebinding", "robot"][..], &binding].concat())?;
        let mut config: Value =
            serde_json::from_str(&fs::read_to_string(sandbox.control_plane.kubeconfig())?)?;
        config["users"][0]["user"] = json!({"tokenFile": folder.join("token")});
        let kubeconfig = folder.join("kubeconfig");
        fs::write(&kubeconfig, config.to_string())?;
        write_token(&sandbox, &folder)?;
        for number in 0..NAMESPACES {
            sandbox.control_plane.create_namespace(&format!("hour-{number}")).await?;
        }
        let place = Place {
            kubeconfig,
            namespace: "hour-*".to_owned(),
            database_url: String::new(),
            log: log.clone(),
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_hour"));
        place.prepare(&mut command)?;
        let process = Process::start(&mut command)?;
        let hour = Self { sandbox, client, log, folder, process };
        for number in 0..NAMESPACES {
            hour.create(&format!("hour-{number}"), 0..OBJECTS / NAMESPACES).await?;
        }
        Ok(hour)
    }

    /// Lets the time pass, with all that happens in it.
    async fn live(&self) -> Result<Vec<Sample>, Error> {
        let (begun, mut samples, mut guest) = (Instant::now(), Vec::new(), None::<String>);
        let (mut namespace, mut restart, mut rotation) = (NAMESPACE, RESTART, ROTATION);
        while begun.elapsed() < LENGTH {
            sleep(SAMPLE).await;
            samples.push(self.sample()?);
            let now = begun.elapsed();
            if now >= namespace {
                if let Some(last) = guest.take() {
                    self.remove(&last).await?;
                }
                let name = format!("hour-guest-{}", namespace.as_secs());
                self.sandbox.control_plane.create_namespace(&name).await?;
                self.create(&name, 0..GUESTS).await?;
                (guest, namespace) = (Some(name), namespace + NAMESPACE);
            }
            if now >= restart {
                eprintln!("  {} s: {:?}", now.as_secs(), self.sample()?);
                self.sandbox.control_plane.restart_api_server().await?;
                restart += RESTART;
            }
            if now >= rotation {
                kubectl(&self.sandbox, &["delete", "serviceaccount", "robot"])?;
                kubectl(&self.sandbox, &["create", "serviceaccount", "robot"])?;
                write_token(&self.sandbox, &self.folder)?;
                rotation += ROTATION;
            }
        }
        if let Some(last) = guest {
            self.remove(&last).await?;
        }
        Ok(samples)
    }

    fn sample(&self) -> Result<Sample, Error> {
        let State { tasks, .. } = self.state()?;
        let (memory, files) = (self.process.memory() / 1024.0, self.process.open_files());
        Ok(Sample { memory, tasks: report::float(tasks), files: report::float(files) })
    }

    /// What the operator has printed last.
    fn state(&self) -> Result<State, Error> {
        let log = fs::read_to_string(&self.log)?;
        let line = log.lines().rev().find_map(|line| line.strip_prefix("state "));
        let mut numbers = line.into_iter().flat_map(str::split_whitespace).map(str::parse);
        let mut number = || numbers.next().transpose().map(Option::unwrap_or_default);
        Ok(State { tasks: number()?, daemons: number()?, indexed: number()?, ticks: number()? })
    }

    async fn until(&self, reached: impl Fn(State) -> bool) -> Result<(), Error> {
        let wait = async {
            while !reached(self.state()?) {
                sleep(Duration::from_millis(500)).await;
            }
            Ok(())
        };
        let state = || format!("it never comes to rest: {:?}; see {}", self.state(), self.log.display());
        timeout(REST, wait).await.map_err(|_| state())?
    }

    async fn stop(mut self) -> Result<(), Error> {
        self.process.terminate()?;
        for _ in 0..300 {
            if self.process.has_ended() {
                fs::remove_dir_all(&self.folder)?;
                return Ok(());
            }
            sleep(Duration::from_millis(100)).await;
        }
        Err(format!("it doesn't stop: see {}", self.log.display()).into())
    }

    fn objects(&self, namespace: &str) -> Api<DynamicObject> {
        let gvk = GroupVersionKind::gvk("bench.korf.dev", "v1", "Hour");
        let resource = ApiResource::from_gvk_with_plural(&gvk, "hours");
        Api::namespaced_with(self.client.clone(), namespace, &resource)
    }

    async fn create(&self, namespace: &str, numbers: Range<usize>) -> Result<(), Error> {
        let objects = &self.objects(namespace);
        let create = async |number: usize| {
            let object = json!({
                "apiVersion": "bench.korf.dev/v1", "kind": "Hour",
                "metadata": {"name": format!("hour-{number}")}, "spec": {"group": number % 50},
            });
            objects.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
            Ok::<_, Error>(())
        };
        stream::iter(numbers).map(create).buffer_unordered(16).try_collect().await
    }

    /// Removes a namespace with its objects, as the controller does that the sandbox doesn't have.
    async fn remove(&self, name: &str) -> Result<(), Error> {
        let (namespaces, objects) = (Api::<Namespace>::all(self.client.clone()), &self.objects(name));
        namespaces.delete(name, &DeleteParams::default()).await?;
        let delete = async |number: usize| {
            objects.delete(&format!("hour-{number}"), &DeleteParams::default()).await?;
            Ok::<_, Error>(())
        };
        stream::iter(0..GUESTS).map(delete).buffer_unordered(16).try_collect::<()>().await?;
        let mut namespace = namespaces.get(name).await?;
        namespace.spec = Some(k8s_openapi::api::core::v1::NamespaceSpec { finalizers: Some(Vec::new()) });
        namespaces.replace_subresource("finalize", name, &PostParams::default(), &namespace).await?;
        Ok(())
    }
}

/// Writes a new token as the kubelet does: nobody reads half of it.
fn write_token(sandbox: &Sandbox, folder: &std::path::Path) -> Result<(), Error> {
    let token = kubectl(sandbox, &["create", "token", "robot"])?;
    fs::write(folder.join("token.new"), token.trim())?;
    fs::rename(folder.join("token.new"), folder.join("token"))?;
    Ok(())
}

fn kubectl(sandbox: &Sandbox, arguments: &[&str]) -> Result<String, Error> {
    let output = sandbox.control_plane.kubectl()?.args(arguments).stderr(Stdio::inherit()).output()?;
    if output.status.success() {
        Ok(String::from_utf8(output.stdout)?)
    } else {
        Err(format!("kubectl {} fails", arguments.join(" ")).into())
    }
}

const CRD: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: hours.bench.korf.dev}
spec:
  group: bench.korf.dev
  scope: Namespaced
  names: {kind: Hour, plural: hours, singular: hour}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}
";
