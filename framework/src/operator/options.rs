//! Options of an operator: where it works, how, and under which names.

use super::{Operator, Overrides};
use crate::{
    core::namespaces::{InvalidNamespaces, NamespaceSet},
    families::Handler,
    registry::Registry,
    runtime::{Holdings, Namespaces, observe::Observation},
    settings::Settings,
};
use kube::{
    Client, Resource,
    core::{ApiResource, Selector},
};
use std::{sync::Arc, time::Duration};

impl Operator {
    /// Stores progress and the finalizer under Kopf's names, and logs under Kopf's, so that this operator can replace one
    /// written with Kopf, and be replaced by it, even in the middle of a retry. Only one operator of each kind of objects
    /// in a cluster may do so.
    #[must_use]
    pub fn kopf_compatible(mut self) -> Self {
        self.storage.kopf = true;
        self.observer = self.observer.logging_as_kopf();
        self
    }

    /// Handles only the objects of these namespaces (and cluster-scoped ones).
    ///
    /// Each is a name, or a list with globs, as the command line's `-n` takes it: `*` and `?` stand for any characters and for
    /// one, commas separate parts, and a part with `!` takes out what the parts before it have let in. `"team-*,!team-x"` is
    /// all teams but one, `"!kube-*"` all namespaces but those of Kubernetes. Namespaces that fit are served as they come and
    /// go; for that, the operator has to be allowed to `list` and `watch` namespaces. Named ones need no such permission.
    ///
    /// An operator with a mistake in a list doesn't start.
    ///
    /// ```
    /// let operator = korf::Operator::new("greeter").namespaces(["default", "team-*, !team-x"]);
    /// ```
    #[must_use]
    pub fn namespaces<N: Into<String>>(mut self, lists: impl IntoIterator<Item = N>) -> Self {
        self.namespaces = NamespaceSet::parse(lists.into_iter().map(Into::into)).map(Namespaces::Some);
        self
    }

    /// Handles the objects of all namespaces, which is the default.
    #[must_use]
    pub fn all_namespaces(mut self) -> Self {
        self.namespaces = Ok(Namespaces::All);
        self
    }

    /// Asks the API server only for those objects of a kind that match a selector; the others aren't even sent.
    ///
    /// To the operator, an object that stops matching is gone, and so is its memory; it never learns of its deletion. An
    /// operator with a delete handler of that kind doesn't start, unless the handler is `optional`, nor does one with a daemon
    /// that has the option `finalizer`: its finalizer would keep such an object forever. Filter by `labels = …` there.
    ///
    /// ```
    /// use k8s_openapi::api::core::v1::Pod;
    /// use kube::core::Expression;
    ///
    /// let mine = Expression::Equal("app".into(), "web".into());
    /// let operator = korf::Operator::new("pods").select::<Pod>(mine);
    /// ```
    #[must_use]
    pub fn select<K: Resource<DynamicType = ()>>(mut self, selector: impl Into<Selector>) -> Self {
        let resource = ApiResource::erase::<K>(&());
        self.selectors.retain(|(known, _)| *known != resource);
        self.selectors.push((resource, selector.into()));
        self
    }

    /// The most objects that are handled at the same time; 64 by default, at least 1.
    #[must_use]
    pub fn concurrency(mut self, objects: usize) -> Self {
        self.settings.queueing.concurrency = objects.max(1);
        self
    }

    /// Stores the progress after each handler, and not once for all handlers of an object that are due: a crash then repeats
    /// one handler at most, at the price of one write for each.
    #[must_use]
    pub fn one_at_a_time(mut self) -> Self {
        self.one_at_a_time = true;
        self
    }

    /// Calls resume handlers, too, when an object's `metadata.generation` has changed and nothing else has: its spec was changed
    /// and changed back before the operator looked. Handlers that write `observedGeneration` need that, or `kubectl wait` and
    /// Flux wait for the generation forever. For kinds with a status subresource only: elsewhere each write of the status
    /// is a new generation.
    #[must_use]
    pub fn follow_generations(mut self) -> Self {
        self.follow_generations = true;
        self
    }

    /// The time that running handlers have to finish when the operator is told to stop; 25 s by default, since Kubernetes
    /// kills a pod 30 s after it has asked it to stop.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.stopping.grace = grace;
        self
    }

    /// Takes these settings instead of the defaults: limits, delays and sizes.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Calls this function for each [`Observation`]: for a log of your own, say. It is called where things happen, and must not block.
    #[must_use]
    pub fn observe(mut self, sink: impl Fn(&Observation<'_>) + Send + Sync + 'static) -> Self {
        self.observer = self.observer.with(Arc::new(sink));
        self
    }

    /// Lets this function have the last word about settings, after start-up handlers.
    #[must_use]
    pub(crate) fn overriding(mut self, overrides: Overrides) -> Self {
        self.overrides = Some(overrides);
        self
    }

    /// The settings.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Uses this client; by default, the kubeconfig's current context, or else the pod's service account.
    ///
    /// It logs in by itself, if at all. Where the API server rejects its credentials (401), the operator doesn't end, however
    /// long that lasts: the log says that the watches fail, and why. Without this, an operator reads credentials again, and
    /// ends after [`login.patience`](crate::settings::Settings#structfield.login) if that doesn't help.
    #[must_use]
    pub fn client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }

    /// The operator's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it handles the objects of some namespaces alone.
    pub(crate) fn is_namespaced(&self) -> bool {
        self.namespaces != Ok(Namespaces::All)
    }

    /// The namespaces that it serves.
    pub(crate) fn served_namespaces(&self) -> Result<&Namespaces, &InvalidNamespaces> {
        self.namespaces.as_ref()
    }

    /// The time that running handlers have when it is told to stop, as far as that is known before it starts.
    pub(crate) fn known_grace(&self) -> Duration {
        self.settings.stopping.grace
    }

    /// Whether progress and diff-bases are in the status of the objects, as far as that is known.
    pub(crate) fn may_store_in_status(&self) -> bool {
        self.storage.in_status || self.storage.location.is_some()
    }

    /// The handlers.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Whether it was told to be [`kopf_compatible`](Self::kopf_compatible).
    pub fn is_kopf_compatible(&self) -> bool {
        self.storage.kopf
    }

    /// The same, for the objects that these holdings say; the test kit drives them by hand.
    #[doc(hidden)]
    #[must_use]
    pub fn held_by(mut self, holdings: Holdings) -> Self {
        self.holdings = holdings;
        self
    }

    /// The same with other functions behind its handlers; the test kit counts their steps.
    #[doc(hidden)]
    #[must_use]
    pub fn map_handlers(mut self, change: impl Fn(Handler) -> Handler) -> Self {
        self.registry = self.registry.map_handlers(change);
        self
    }
}
