//! Live objects: what the cluster knows of the objects that manifests describe.

use crate::{
    api,
    crd::DatabaseTable,
    marker::Owner,
    note,
    plan::Claim,
    request::Declared,
    spec::{Declaration, Table},
    status::TableStatus,
};
use kube::{
    Api, Client,
    core::{ApiResource, DynamicObject},
};

/// What is known of an object.
#[derive(Debug)]
pub enum Known {
    /// Nothing: it was not looked for, or can't be read; why.
    Unread(String),
    /// There is none yet.
    New,
    Live(Box<Live>),
}

/// An object that is there.
#[derive(Debug)]
pub struct Live {
    uid: String,
    status: TableStatus,
    has_strange_status: bool,
    is_marked: bool,
    /// What was handled last.
    previous: Option<Declaration>,
}

/// Where Kopf's operator notes what it has handled, and this one, too.
const NOTE: &str = "kopf.zalando.org/last-handled-configuration";

impl Known {
    /// Reads the object of this owner, without a change to it.
    pub async fn read(client: &Client, owner: &Owner) -> Self {
        let kind = ApiResource::erase::<DatabaseTable>(&());
        let objects = Api::<DynamicObject>::namespaced_with(client.clone(), &owner.namespace, &kind);
        match api::send_or_missing(objects.get(&owner.name)).await {
            Ok(Some(object)) => Self::Live(Box::new(Live::of(object))),
            Ok(None) => Self::New,
            Err(error) => Self::Unread(error.to_string()),
        }
    }

    /// The claim to a table of an object with this spec.
    pub fn claim(&self, owner: &Owner, declared: &Declaration) -> Claim {
        let policies = declared.table.as_ref().map(|table| table.policies).unwrap_or_default();
        let claim = Claim { adoption: policies.adoption, drift: policies.drift, ..Claim::new(owner.clone()) };
        match self {
            Self::Unread(_) | Self::New => claim,
            Self::Live(live) => live.claim(claim, declared),
        }
    }
}

impl Live {
    fn of(object: DynamicObject) -> Self {
        let annotations = object.metadata.annotations.unwrap_or_default();
        let noted = annotations.get(NOTE).and_then(|text| serde_json::from_str::<Declared>(text).ok());
        let status = &object.data["status"];
        let read = (!status.is_null()).then(|| serde_json::from_value(status.clone()));
        Self {
            uid: object.metadata.uid.unwrap_or_default(),
            has_strange_status: matches!(read, Some(Err(_))),
            status: read.and_then(Result::ok).unwrap_or_default(),
            is_marked: note::is_marked(&annotations),
            previous: noted.map(|noted| noted.spec),
        }
    }

    /// The table that Kopf's operator has made for it, in the only database that it knows.
    fn former(&self, declared: &Declaration) -> Option<&Table> {
        let status = (!self.has_strange_status).then_some(&self.status);
        let is_own = declared.secret == Ok(None);
        note::former(self.previous.as_ref(), self.is_marked, status).filter(|_| is_own)
    }

    fn claim(&self, claim: Claim, declared: &Declaration) -> Claim {
        let owner = Owner { uid: self.uid.clone(), ..claim.owner };
        let recorded = self.status.columns.iter().map(|column| column.name.clone());
        let handled = self.previous.iter().flat_map(|spec| &spec.columns).cloned();
        Claim {
            is_first_hand: self.status.owner == Some(owner.fingerprint()),
            owner,
            table: self.status.table.clone(),
            columns: recorded.chain(handled).collect(),
            former: self.former(declared).cloned(),
            ..claim
        }
    }
}
