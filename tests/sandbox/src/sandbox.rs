//! Both together.

use tokio::sync::OnceCell;

use crate::{ControlPlane, Postgres, Result};

/// A control plane and a PostgreSQL. A test that needs only one of them starts [`ControlPlane`] or [`Postgres`].
#[derive(Debug)]
pub struct Sandbox {
    /// Kubernetes.
    pub control_plane: ControlPlane,
    /// The database server.
    pub postgres: Postgres,
}

impl Sandbox {
    /// Starts both at once; ready in a few seconds.
    pub async fn start() -> Result<Self> {
        let (control_plane, postgres) = tokio::try_join!(ControlPlane::start(), Postgres::start())?;
        Ok(Self { control_plane, postgres })
    }

    /// The one sandbox that the tests of this process share, started by whoever asks first; it ends with the process.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Sandbox> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }
}
