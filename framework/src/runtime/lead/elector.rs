//! Elector: takes part in the election of the replicas that hold the operator's shards, for as long as the operator lives.
//!
//! The core decides; this sends its requests, shows it the Leases and the time, and says in [`Holdings`] what is held.

use super::{
    Holdings, Moment,
    leases::{Leases, Outcome, Sighting, own_namespace},
    watching::watch,
};
use crate::{
    runtime::{
        kind::OperatorContext,
        observe::{LeaseEvent, Observation},
        supervisor::Shutdown,
    },
    settings::Settings,
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use korf_core::{
    lease::{
        Action, Answer, Elector as Election, ElectorConfig, Foreign, LeaseName, LeaseTimes, Loss, News,
        Record, TroubleNews, Troubles,
    },
    shard::{Shard, Shards},
};
use kube::Client;
use std::{env, sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::sleep};

/// The clock of leases may run ahead of tokio's, which stands still while the machine sleeps: it is looked at so often at least.
const LOOK: Duration = Duration::from_secs(1);

/// Sightings that may wait.
const SIGHTINGS: usize = 64;

/// What an election is about.
#[derive(Clone, Debug)]
pub struct ElectionPlan {
    /// The operator's name.
    pub operator: String,
    /// How the objects are divided.
    pub shards: Shards,
    /// The namespace of the Leases; none is the operator's own.
    pub namespace: Option<String>,
    /// The kinds that the operator handles.
    pub kinds: String,
}

impl ElectionPlan {
    /// The Lease of the operator, which all its replicas have in common, with its namespace.
    pub fn lease(&self, client: &Client) -> String {
        format!("{}/{}", self.home(client), self.operator)
    }

    fn home(&self, client: &Client) -> String {
        self.namespace.clone().unwrap_or_else(|| own_namespace(client))
    }
}

/// One replica of the operator in the election.
pub struct Elector {
    operator: Arc<OperatorContext>,
    holdings: Holdings,
    plan: ElectionPlan,
    namespace: String,
    identity: String,
    leases: Leases,
    election: Election,
    troubles: Troubles,
    requests: FuturesUnordered<BoxFuture<'static, (LeaseName, Outcome<Answer>)>>,
    lists: FuturesUnordered<BoxFuture<'static, (Moment, Outcome<Vec<Record>>)>>,
    draining: FuturesUnordered<BoxFuture<'static, Shard>>,
}

impl Elector {
    /// A replica that takes part in this election.
    pub fn new(operator: Arc<OperatorContext>, plan: ElectionPlan) -> Self {
        let settings = &operator.settings;
        let client: Client = operator.client.clone();
        let namespace = plan.home(&client);
        let identity = identity(&plan.operator);
        let times = times(settings);
        let leases = Leases::new(client, &namespace, &plan.operator, &identity, times.duration);
        let election = Election::new(ElectorConfig {
            operator: plan.operator.clone(),
            identity: identity.clone(),
            shards: plan.shards,
            kinds: plan.kinds.clone(),
            times,
            seed: fastrand::u64(..),
        });
        let troubles = Troubles::new(settings.health.patience, settings.queueing.reminder);
        Self {
            holdings: operator.holdings.clone(),
            operator,
            plan,
            namespace,
            identity,
            leases,
            election,
            troubles,
            requests: FuturesUnordered::new(),
            lists: FuturesUnordered::new(),
            draining: FuturesUnordered::new(),
        }
    }

    /// Takes part until the operator's work has ended, and all that was held is released.
    pub async fn run(mut self, shutdown: Shutdown) {
        let grace_ended = shutdown.grace_ended.clone();
        tokio::select! {
            biased;
            () = self.elect(&shutdown) => {}
            () = grace_ended.cancelled() => {}
        }
        for shard in self.plan.shards.all() {
            self.holdings.lose(shard);
        }
    }

    async fn elect(&mut self, shutdown: &Shutdown) {
        self.observe(Observation::ElectionBegins { identity: &self.identity, namespace: &self.namespace });
        let (sender, mut sightings) = mpsc::channel(SIGHTINGS);
        let (operator, leases) = (Arc::clone(&self.operator), self.leases.clone());
        let mut watching = watch(&leases, &operator.settings, &sender).boxed();
        let (mut stopped, mut drained) = (false, false);
        loop {
            let now = Moment::now();
            for action in self.election.step(now.since_start()) {
                self.act(action);
            }
            self.tell_troubles(now);
            if self.election.is_done() {
                return;
            }
            let due = self.troubles.next_due().into_iter().chain([self.election.next_due()]).min();
            let wait = now.until(Moment::at(due.unwrap_or(Duration::MAX))).min(LOOK);
            tokio::select! {
                biased;
                Some((name, outcome)) = self.requests.next() => self.answered(&name, outcome),
                Some((begun, outcome)) = self.lists.next() => self.listed(begun, outcome),
                Some(sighting) = sightings.recv() => self.saw(sighting),
                () = operator.stopping.cancelled(), if !stopped => {
                    stopped = true;
                    self.election.stop();
                }
                () = shutdown.drained.cancelled(), if !drained => {
                    drained = true;
                    self.plan.shards.all().for_each(|shard| self.election.drained(shard));
                }
                Some(shard) = self.draining.next() => self.election.drained(shard),
                () = &mut watching => {}
                () = sleep(wait) => {}
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Send { name, request, limit } => {
                let leases = self.leases.clone();
                let answer = async move {
                    let outcome = leases.send(&name, request, limit).await;
                    (name, outcome)
                };
                self.requests.push(answer.boxed());
            }
            Action::List(limit) => {
                let (leases, begun) = (self.leases.clone(), Moment::now());
                let listed = async move {
                    let Outcome { verb, result } = leases.list(limit).await;
                    (begun, Outcome { verb, result: result.map(|(records, _)| records) })
                };
                self.lists.push(listed.boxed());
            }
            Action::Hold(shard, epoch, until) => self.holdings.hold(shard, epoch, Moment::at(until)),
            Action::Extend(shard, until) => self.holdings.extend(shard, Moment::at(until)),
            Action::Leave(shard) => {
                let (holdings, fence) = (self.holdings.clone(), self.holdings.fence(shard));
                holdings.leave(shard);
                let grace = self.operator.settings.stopping.grace;
                // A handler that doesn't end would keep all other objects of the shard from being handled.
                let drained = async move {
                    tokio::select! {
                        biased;
                        () = holdings.drained(shard) => {}
                        () = fence.lost() => {}
                        () = sleep(grace) => {}
                    }
                    shard
                };
                self.draining.push(drained.boxed());
            }
            Action::Lose(shard) => self.holdings.lose(shard),
            Action::Tell(news) => self.tell(&news),
        }
    }

    fn answered(&mut self, name: &LeaseName, Outcome { verb, result }: Outcome<Answer>) {
        let now = Moment::now().since_start();
        let answer = match result {
            Ok(answer) => {
                self.troubles.works(verb);
                answer
            }
            Err(refusal) => {
                self.troubles.fails(verb, refusal.why, refusal.is_denied, now);
                Answer::Failed
            }
        };
        self.election.answered(name, answer, now);
    }

    fn listed(&mut self, begun: Moment, Outcome { verb, result }: Outcome<Vec<Record>>) {
        let now = Moment::now().since_start();
        match result {
            Ok(records) => {
                self.troubles.works(verb);
                self.election.listed(records, begun.since_start(), now);
            }
            Err(refusal) => {
                self.troubles.fails(verb, refusal.why, refusal.is_denied, now);
                self.election.list_failed(now);
            }
        }
    }

    fn saw(&mut self, sighting: Sighting) {
        let now = Moment::now().since_start();
        match sighting {
            Sighting::Listed(records, begun) => self.election.listed(records, begun.since_start(), now),
            Sighting::Seen(record) => self.election.saw(record, now),
            Sighting::Gone(record) => self.election.saw_gone(&record, now),
            Sighting::Asked(verb, Ok(())) => self.troubles.works(verb),
            Sighting::Asked(verb, Err(refusal)) => {
                self.troubles.fails(verb, refusal.why, refusal.is_denied, now);
            }
        }
    }

    fn observe(&self, observation: Observation<'_>) {
        self.operator.observer.observe(observation);
    }

    fn tell(&self, news: &News) {
        let of = self.plan.shards.number();
        let lease = |shard: Shard, event| self.observe(Observation::Lease { shard: shard.0, of, event });
        match news {
            News::Holds(shard, epoch) => lease(*shard, LeaseEvent::Held { epoch: *epoch }),
            News::Leaves(shard) => lease(*shard, LeaseEvent::Left),
            News::Lost(shards, loss) => {
                let why = why(*loss, &self.operator.settings);
                shards.iter().for_each(|shard| lease(*shard, LeaseEvent::Lost));
                self.observe(Observation::LeasesLost { shards: shards.len(), of, why: &why });
            }
            News::Settled { held, replicas } => {
                self.observe(Observation::LeasesSettled { held: *held, of, replicas: *replicas });
            }
            News::StandsBy(leader) => self.observe(Observation::StandsBy { leader }),
            News::Foreign(name, foreign) => self.tell_foreign(name, foreign),
            News::Differs(agreed) => self.observe(Observation::ShardsDiffer { own: of, agreed }),
            News::Agrees => self.observe(Observation::ShardsAgree { shards: of }),
        }
    }

    fn tell_foreign(&self, name: &LeaseName, foreign: &Foreign) {
        let lease = format!("{}/{}", self.namespace, name.text(&self.plan.operator));
        let why = match foreign {
            Foreign::Label(None) => "it has no label korf.dev/operator".to_owned(),
            Foreign::Label(Some(other)) => format!("it has the label korf.dev/operator={other}"),
            Foreign::Kinds(kinds) => format!("it is that of an operator for other kinds: {kinds}"),
        };
        self.observe(Observation::LeaseForeign { lease: &lease, why: &why });
    }

    fn tell_troubles(&mut self, now: Moment) {
        let news = self.troubles.news(now.since_start());
        let failing =
            self.troubles.oldest().map(|(since, why)| (Moment::at(since).until(now), why.to_owned()));
        let barred = || {
            let limit = self.operator.settings.health.patience;
            self.election
                .is_barred()
                .then(|| (limit, "a Lease is another operator's, see the log".to_owned()))
        };
        self.operator.health.set_leases(failing.or_else(barred));
        match news {
            Some(TroubleNews::Fails { verbs, why, is_denied }) => {
                let (namespace, verbs) = (&*self.namespace, &verbs.join(", "));
                self.observe(Observation::LeasesFail { namespace, verbs, why: &why, denied: is_denied });
            }
            Some(TroubleNews::Over) => self.observe(Observation::LeasesWork),
            None => {}
        }
    }
}

fn times(settings: &Settings) -> LeaseTimes {
    let leases = &settings.leases;
    LeaseTimes {
        duration: leases.duration,
        renew_deadline: leases.renew_deadline,
        retry_period: leases.retry_period,
    }
}

fn why(loss: Loss, settings: &Settings) -> String {
    match loss {
        Loss::Late => {
            let limit = settings.leases.renew_deadline;
            format!("no renewal was answered for {} seconds", korf_core::retry::seconds(limit))
        }
        Loss::Taken => "somebody else has changed the Lease".to_owned(),
        Loss::Deleted => "the Lease was deleted".to_owned(),
    }
}

/// A name that no other replica has or had: the pod's, and some random letters.
fn identity(operator: &str) -> String {
    let host = env::var("HOSTNAME").ok().filter(|host| !host.is_empty());
    format!("{}_{:016x}", host.unwrap_or_else(|| operator.to_owned()), fastrand::u64(..))
}
