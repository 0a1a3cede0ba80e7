//! Peering: pauses the operator while another one for the same objects comes first, as Kopf's operators do.
//!
//! What the peers are like, and what follows from that, is the core's. Here are the requests: each place is asked when its watch
//! rings, when a record may be over, and when the operator's own record is to be written.

mod freeze;
mod identity;
mod object;
mod place;

pub use freeze::FreezeRequest;
pub use object::{GROUPS, plural};

use super::{Holdings, Moment};
use crate::runtime::{
    kind::OperatorContext,
    namespaces::Region,
    observe::{Observation, PauseCause, PeeringNews},
    supervisor::Shutdown,
    write::explain,
};
use futures::{StreamExt, future, stream};
use korf_core::peering::{Act, Course, Me, Peers, Precedence, Verdict};
use object::{Served, Site};
use place::{Intent, Place, Presence, limit};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

/// The clock of leases may run ahead of tokio's, and a request may be due: it is looked at so often.
const LOOK: Duration = Duration::from_secs(1);
/// The longest time that the start waits until it is known whether the operator comes first.
const ENTRY: Duration = Duration::from_secs(5);
/// The time between two tries meanwhile.
const RETRY: Duration = Duration::from_millis(200);
/// The most requests at a time.
const REQUESTS: usize = 8;
/// The name of the object that is used if it exists.
const DEFAULT: &str = "default";

/// How an operator takes part in peering.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeeringOptions {
    pub mode: PeeringMode,
    pub priority: i64,
}

/// Which peering object an operator uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PeeringMode {
    /// None, unless the command line has another default.
    #[default]
    Unsaid,
    /// None.
    Standalone,
    /// That with the default name, if it exists.
    Detected,
    /// That of this name: without it, the operator is paused.
    Named(String),
}

impl PeeringOptions {
    /// The name of the peering object; none if the operator takes part in no peering.
    pub fn name(&self) -> Option<&str> {
        match &self.mode {
            PeeringMode::Unsaid | PeeringMode::Standalone => None,
            PeeringMode::Detected => Some(DEFAULT),
            PeeringMode::Named(name) => Some(name),
        }
    }
}

/// What is known of the kinds of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Group {
    /// It is to be asked for.
    Unknown,
    /// It was served like that when it was asked for; what isn't served is asked for again then.
    Known(Served, Moment),
}

/// The peering of one operator.
pub struct Peering {
    operator: Arc<OperatorContext>,
    name: String,
    is_needed: bool,
    me: Me,
    /// It has a number among its peers.
    joined: bool,
    region: Region,
    groups: [Group; GROUPS.len()],
    /// Why it isn't known which kinds are served.
    undiscovered: Option<String>,
    places: BTreeMap<Site, Place>,
    /// All namespaces are known that are served.
    is_region_known: bool,
    course: Course,
    /// Nothing is under way since the operator was paused last.
    is_drained: bool,
    /// It has begun once, so that a new place doesn't hold it up.
    has_begun: bool,
    told: Option<Cause>,
    bell: Arc<Notify>,
}

/// Why the operator is paused.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    /// Not all is known yet.
    Unknown,
    /// The object doesn't exist, or the operator has no right to it.
    Missing(String),
    /// That is the verdict at this place.
    Verdict(String, Verdict),
}

impl Peering {
    /// The peering of an operator, or of one of its replicas, which is paused until it comes first. None if it takes part in none.
    pub fn new(
        operator: &Arc<OperatorContext>,
        name: &str,
        options: &PeeringOptions,
        region: Region,
        replica_of: Option<String>,
    ) -> Option<Self> {
        let peering = options.name()?;
        operator.holdings.pause(true);
        Some(Self {
            name: peering.to_owned(),
            is_needed: matches!(options.mode, PeeringMode::Named(_)),
            me: Me {
                identity: identity::of_process(name),
                priority: options.priority,
                lifetime: operator.settings.peering.lifetime,
                replica_of,
                order: 0,
            },
            joined: false,
            operator: Arc::clone(operator),
            region,
            groups: [Group::Unknown, Group::Unknown],
            undiscovered: None,
            places: BTreeMap::new(),
            is_region_known: false,
            course: Course::default(),
            is_drained: true,
            has_begun: false,
            told: None,
            bell: Arc::default(),
        })
    }

    /// Pauses the operator, and lets it go on, until all its work has ended; then its records are removed.
    pub async fn run(mut self, shutdown: Shutdown) {
        tokio::select! {
            biased;
            () = shutdown.grace_ended.cancelled() => {}
            () = async {
                self.go(&shutdown).await;
                self.leave().await;
            } => {}
        }
    }

    /// Finds out whether it comes first, before anything is listed: what is listed while it is paused is listed again when it
    /// goes on. Where that takes long, nothing waits for it.
    pub async fn enter(&mut self) {
        let entering = async {
            loop {
                if !self.step().await {
                    let is_failing = || self.places.values().any(|place| place.failing().is_some());
                    if self.is_settled() || self.undiscovered.is_some() || is_failing() {
                        return;
                    }
                    sleep(RETRY).await;
                }
            }
        };
        if timeout(ENTRY, entering).await.is_err() {
            // Questions may have been dropped.
            self.places.values().for_each(Place::ring);
        }
    }

    fn is_settled(&self) -> bool {
        let is_underway = matches!(self.cause(), Some(Cause::Unknown | Cause::Verdict(_, Verdict::Unseen)));
        self.course == Course::Working || self.is_known() && !is_underway && self.course == Course::Paused
    }

    async fn go(&mut self, shutdown: &Shutdown) {
        while !shutdown.work_ended.is_cancelled() {
            if self.step().await {
                continue;
            }
            let mut region = self.region.clone();
            tokio::select! {
                biased;
                () = shutdown.work_ended.cancelled() => {}
                () = self.bell.notified() => {}
                () = drained(&self.operator.holdings), if !self.is_drained => self.is_drained = true,
                () = region.changed() => {}
                () = sleep(LOOK) => {}
            }
        }
    }

    /// Takes the steps that there are now. Returns whether there may be another one.
    async fn step(&mut self) -> bool {
        self.find_kinds().await;
        self.revise_places();
        // The operator's records may be over: it notices that before it writes them again.
        let has_changed = self.decide();
        self.look().await;
        self.decide() || has_changed
    }

    /// Finds out which kinds are served.
    async fn find_kinds(&mut self) {
        let settings = &self.operator.settings;
        let is_awaited = self.is_needed && self.places.is_empty();
        let again = if is_awaited { settings.watching.discovery_interval } else { settings.peering.lifetime };
        let limit = settings.requests.timeout.min(self.me.lifetime / 15);
        let mut failed = None;
        for (group, known) in GROUPS.into_iter().zip(&mut self.groups) {
            let now = Moment::now();
            if matches!(known, Group::Known(served, then) if served.is_complete() || now < *then) {
                continue;
            }
            let asked = timeout(limit, object::served(&self.operator.client, group)).await;
            match asked {
                Ok(Ok(served)) => *known = Group::Known(served, now + again),
                Ok(Err(error)) => failed = Some((explain(&error), is_refusal(&error))),
                Err(_) => failed = Some(("the API server doesn't answer".to_owned(), false)),
            }
        }
        self.tell_undiscovered(failed);
    }

    /// Has a place for each object that may be there.
    fn revise_places(&mut self) {
        let sites = self.sites();
        self.places.retain(|site, _| sites.iter().any(|(known, _)| known == site));
        let (client, settings) = (&self.operator.client, &self.operator.settings);
        for (site, served) in sites {
            if !self.places.contains_key(&site)
                && let Some(object) = served.object(client, &site, &self.name)
            {
                self.places.insert(site, Place::new(object, settings, &self.bell));
            }
        }
    }

    fn tell_undiscovered(&mut self, failed: Option<(String, bool)>) {
        if let Some((why, is_refusal)) = &failed {
            // That it can't be reached is told by the watches of the operator's kinds.
            let known = !is_refusal || self.undiscovered.as_ref() == Some(why);
            self.observe(PeeringNews::Failed { peering: &self.title(), why, known });
        }
        self.undiscovered = failed.map(|(why, _)| why);
    }

    /// Where objects may be, with what is served there.
    fn sites(&mut self) -> Vec<(Site, Served)> {
        let (namespaces, is_known) = match self.region.served() {
            None => (vec![None], true),
            Some(served) => (served.names.into_iter().map(Some).collect(), served.complete),
        };
        self.is_region_known = is_known;
        let known = GROUPS.into_iter().zip(&self.groups).filter_map(|(group, known)| match known {
            Group::Unknown => None,
            Group::Known(served, _) => Some((group, *served)),
        });
        known
            .flat_map(|(group, served)| {
                let site = move |namespace: &Option<String>| Site { group, namespace: namespace.clone() };
                namespaces.iter().map(move |namespace| (site(namespace), served)).collect::<Vec<_>>()
            })
            .collect()
    }

    fn is_known(&self) -> bool {
        let are_groups = self.groups.iter().all(|group| *group != Group::Unknown);
        are_groups
            && self.is_region_known
            && self.places.values().all(|place| place.presence != Presence::Unknown)
    }

    /// Asks all places that are due.
    async fn look(&mut self) {
        if !self.joined && self.is_known() {
            let peers = self.places.values().map(|place| &place.peers);
            self.me.order = Peers::next_order(peers, self.me.replica_of.as_deref());
            self.joined = true;
        }
        let until = Instant::now() + limit(&self.me, &self.operator.settings);
        let intent = Intent { me: &self.me, at_work: self.course.is_at_work(), joined: self.joined, until };
        let patience = self.operator.settings.peering.patience;
        let due = self.places.values_mut().filter(|place| place.is_due(&intent, patience));
        let looks: Vec<_> = due.map(|place| place.look(intent, &self.operator)).collect();
        stream::iter(looks).buffer_unordered(REQUESTS).collect::<()>().await;
    }

    /// Takes the next step. Returns whether there was one.
    fn decide(&mut self) -> bool {
        let before = self.course;
        // Nothing is to begin any more.
        if self.operator.stopping.is_cancelled() && !matches!(before, Course::Working | Course::Leaving) {
            return false;
        }
        let cause = self.cause();
        let verdict = match &cause {
            Some(Cause::Verdict(_, verdict)) => verdict.clone(),
            Some(Cause::Unknown | Cause::Missing(_)) => Verdict::Unseen,
            None => Verdict::First(None),
        };
        let at_work = before.is_at_work();
        let is_written = self.present().all(|place| place.says(at_work));
        let (course, act) = before.step(&verdict, is_written, self.is_drained);
        self.course = course;
        match act {
            Some(Act::Begin) => self.begin(&verdict),
            Some(Act::Pause) => self.pause(),
            None => {}
        }
        if self.course != Course::Working && !matches!(verdict, Verdict::First(_)) {
            self.tell(cause, before == Course::Working);
        }
        self.course != before
    }

    fn begin(&mut self, verdict: &Verdict) {
        (self.has_begun, self.is_drained) = (true, true);
        self.operator.holdings.pause(false);
        let beside = match verdict {
            Verdict::First(beside) => beside.as_deref(),
            _ => None,
        };
        let was_told = self.told.take().is_some();
        self.observe(PeeringNews::Resumed { beside, told: was_told });
    }

    fn pause(&mut self) {
        self.is_drained = false;
        self.operator.holdings.pause(true);
    }

    /// The places where there is an object.
    fn present(&self) -> impl Iterator<Item = &Place> {
        self.places.values().filter(|place| place.presence == Presence::There)
    }

    /// Why the operator isn't to be at work, or what the last place has to say; none if there is nothing that could be in its way.
    fn cause(&self) -> Option<Cause> {
        if !self.joined && !self.is_known() {
            return Some(Cause::Unknown);
        }
        if self.is_needed {
            let missing = || self.places.values().find(|place| place.presence != Presence::There);
            if self.places.is_empty() {
                return Some(Cause::Missing(self.title()));
            }
            if let Some(place) = missing() {
                return Some(Cause::Missing(place.title().to_owned()));
            }
        } else if !self.has_begun && !self.is_known() {
            return Some(Cause::Unknown);
        }
        let (now, patience) = (Moment::now().since_ever(), self.operator.settings.peering.patience);
        let causes = self.present().map(|place| {
            let verdict = place.peers.verdict(&self.me, now, patience);
            Cause::Verdict(place.title().to_owned(), verdict)
        });
        causes.max_by_key(|cause| match cause {
            Cause::Verdict(_, Verdict::GivesWay { .. }) => 3,
            Cause::Verdict(_, Verdict::Unseen) => 2,
            Cause::Verdict(_, Verdict::Waits(_)) => 1,
            _ => 0,
        })
    }

    /// The object, for people, where no place is known.
    fn title(&self) -> String {
        let is_namespaced = matches!(self.region, Region::Namespaces(_));
        format!("{}.{} {:?}", object::kind(is_namespaced), GROUPS[0], self.name)
    }

    /// Tells why the operator is paused, unless that is no news.
    fn tell(&mut self, cause: Option<Cause>, has_worked: bool) {
        let Some(cause) = cause.filter(|cause| self.told.as_ref() != Some(cause)) else { return };
        let told = |cause| self.observe(PeeringNews::Paused { cause, own: self.me.priority });
        match &cause {
            Cause::Missing(peering) => told(PauseCause::Missing { peering }),
            Cause::Verdict(peering, Verdict::GivesWay { to, priority, why }) => told(match why {
                Precedence::Priority => PauseCause::Priority { peering, peer: to, priority: *priority },
                Precedence::Age => PauseCause::Age { peering, peer: to },
                Precedence::Frozen(message) => {
                    PauseCause::Frozen { peering, peer: to, priority: *priority, message: message.as_deref() }
                }
            }),
            Cause::Verdict(peering, Verdict::Waits(peer)) => told(PauseCause::Unfinished { peering, peer }),
            Cause::Verdict(peering, Verdict::Unseen) if has_worked => {
                let why = self.places.values().find_map(|place| place.failing());
                told(PauseCause::Unseen { peering, why });
            }
            // That is the way of each start.
            Cause::Unknown | Cause::Verdict(..) => return,
        }
        self.told = Some(cause);
    }

    fn observe(&self, news: PeeringNews<'_>) {
        self.operator.observer.observe(Observation::Peering(news));
    }

    /// Removes the operator's records.
    async fn leave(&self) {
        let leaving = self.present().map(|place| async {
            if let Err(why) = place.leave(&self.me, &self.operator.settings).await {
                self.observe(PeeringNews::Left { peering: place.title(), why: &why });
            }
        });
        stream::iter(leaving.collect::<Vec<_>>()).buffer_unordered(REQUESTS).collect::<()>().await;
    }
}

/// Waits until nothing is under way.
async fn drained(holdings: &Holdings) {
    future::join_all(holdings.shards().all().map(|shard| holdings.drained(shard))).await;
}

/// Whether the API server has answered that it won't.
fn is_refusal(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if (400..500).contains(&status.code) && status.code != 429)
}
