//! Peering of an operator: whether it takes part in one, and with which priority.

use super::{Operator, inspection::Inspection};
use crate::runtime::{FreezeRequest, PeeringMode, PeeringOptions};
use std::error::Error;

impl Operator {
    /// Takes part in the peering of this name, as operators of Kopf do: of the operators for the same objects, the one with the
    /// greatest [priority](Self::priority) is at work, and the others are paused. See [`peering`](crate::peering).
    ///
    /// The name is that of a `ClusterKopfPeering`, or of a `KopfPeering` in each of the operator's namespaces, of the group
    /// `kopf.dev` or `zalando.org`. While there is none, the operator is paused.
    ///
    /// ```
    /// let operator = korf::Operator::new("greeter").peering("greeters").priority(10);
    /// ```
    #[must_use]
    pub fn peering(mut self, name: impl Into<String>) -> Self {
        self.peering.mode = PeeringMode::Named(name.into());
        self
    }

    /// Takes part in peering with this priority; 0 by default. Without [`peering`](Self::peering), the peering of the name
    /// `default` is taken if it exists.
    #[must_use]
    pub fn priority(mut self, priority: i64) -> Self {
        self.peering.priority = priority;
        self.detecting_peering()
    }

    /// Takes part in no peering, which is the default, except for an operator that is
    /// [`kopf_compatible`](Self::kopf_compatible) and run by [`cli::main`](crate::cli::main): like an operator of Kopf, that one
    /// takes the peering of the name `default` if it exists.
    #[must_use]
    pub fn standalone(mut self) -> Self {
        self.peering = PeeringOptions { mode: PeeringMode::Standalone, priority: 0 };
        self
    }

    /// Takes part in the peering with the default name if it exists, unless something else was said.
    #[must_use]
    pub(crate) fn detecting_peering(mut self) -> Self {
        if self.peering.mode == PeeringMode::Unsaid {
            self.peering.mode = PeeringMode::Detected;
        }
        self
    }

    /// The peering object that it uses, as far as that is known before it starts.
    pub(crate) fn known_peering(&self) -> Option<&str> {
        self.peering.name()
    }

    /// Asks all operators of a peering for a pause, or ends that. Returns the peering objects.
    ///
    /// # Errors
    /// It can't log in, or there is no such object, or the API server refuses.
    pub(crate) async fn ask_for_pause(self, request: FreezeRequest) -> Result<Vec<String>, Box<dyn Error>> {
        let namespaces = self.served_namespaces().map_err(Clone::clone)?.clone();
        let Inspection { name, client, settings, .. } = &self.inspect().await?;
        Ok(request.ask(client, name, &namespaces, settings).await?)
    }
}
