//! A control plane and a PostgreSQL server together.

use tokio::sync::OnceCell;

use crate::{ControlPlane, Postgres, Result};

/// A control plane and a PostgreSQL server. A test that needs only one starts [`ControlPlane`] or
/// [`Postgres`].
#[derive(Debug)]
pub struct Sandbox {
    /// The Kubernetes control plane.
    pub control_plane: ControlPlane,
    /// The database server.
    pub postgres: Postgres,
}

impl Sandbox {
    /// Starts both in parallel. They are ready in a few seconds.
    pub async fn start() -> Result<Self> {
        let (control_plane, postgres) = tokio::try_join!(ControlPlane::start(), Postgres::start())?;
        Ok(Self { control_plane, postgres })
    }

    /// Brings what this machine lacks, so that [`Sandbox::start`] takes seconds: downloads PostgreSQL and builds the control
    /// plane. The first can take a minute and the second several, and both show their progress.
    pub async fn prepare() -> Result<()> {
        Postgres::prepare().await?;
        ControlPlane::prepare().await
    }

    /// The sandbox that all tests of this process share. The first caller starts it, and it stops with the
    /// process.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Sandbox> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }
}
