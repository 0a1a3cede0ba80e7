//! Whether an object is still there. What a handler was given may be old: by the time that the database can be
//! reached, somebody may have taken the object away by force and made another one of the same name.

use crate::cluster::{Unread, answered};
use crate::crd::DatabaseTable;
use crate::marker::Owner;
use kube::{Api, Client};

/// The objects that the cluster has now.
pub trait Objects: Sync {
    /// Whether the cluster has this very object: of this name, and with this uid.
    fn has(&self, owner: &Owner) -> impl Future<Output = Result<bool, Unread>> + Send;
}

impl Objects for Client {
    async fn has(&self, owner: &Owner) -> Result<bool, Unread> {
        let objects = Api::<DatabaseTable>::namespaced(self.clone(), &owner.namespace);
        let found = answered(objects.get_metadata_opt(&owner.name)).await?;
        Ok(found.is_some_and(|object| object.metadata.uid.as_deref() == Some(owner.uid.as_str())))
    }
}
