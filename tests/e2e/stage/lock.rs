//! Locks that keep an operator waiting in the middle of what it does.

use super::{Stage, eventually::eventually};
use tokio_postgres::Client;

/// A lock that this test holds in its database; the operator gives up waiting after three seconds.
pub struct Lock {
    holder: Client,
    holder_id: i32,
}

impl Stage<'_> {
    /// The lock that the operator takes on the name of a table before it looks at the catalog.
    pub async fn lock_name(&self, table: &str) -> Lock {
        let key = format!("database-table-operator {table}");
        self.lock(&format!("SELECT pg_advisory_xact_lock(hashtextextended('{key}', 0))")).await
    }

    /// What a statement locks: that of a reader of the table, say.
    pub async fn lock(&self, statement: &str) -> Lock {
        Lock::held_by(self.database.connect().await.unwrap(), statement).await
    }

    /// A lock that only the superuser may take: on a table of the catalog, say.
    pub async fn lock_as_superuser(&self, statement: &str) -> Lock {
        Lock::held_by(self.database.connect_as_superuser().await.unwrap(), statement).await
    }
}

impl Lock {
    async fn held_by(holder: Client, statement: &str) -> Self {
        holder.batch_execute(&format!("BEGIN; {statement}")).await.unwrap();
        let holder_id = holder.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
        Self { holder, holder_id }
    }

    /// Waits until somebody waits for the lock.
    pub async fn awaited(&self) {
        let sql = "SELECT count(*) FROM pg_locks WHERE NOT granted AND $1 = ANY (pg_blocking_pids(pid))";
        let waiting =
            async || -> i64 { self.holder.query_one(sql, &[&self.holder_id]).await.unwrap().get(0) };
        eventually("somebody waits for the lock", waiting, |count| *count > 0).await;
    }

    pub async fn release(self) {
        self.holder.batch_execute("ROLLBACK").await.unwrap();
    }
}
