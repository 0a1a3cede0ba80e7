//! The tables of a stage's database.

use super::{Stage, eventually::eventually};

impl Stage<'_> {
    /// Runs statements as the database's owner.
    pub async fn sql(&self, statements: &str) {
        self.sql.batch_execute(statements).await.unwrap();
    }

    /// The first column of what a query returns.
    pub async fn query(&self, sql: &str) -> Vec<String> {
        self.sql.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// The columns of a table, each as `name type`; none where there is no such table.
    pub async fn columns(&self, table: &str) -> Vec<String> {
        self.query(&format!(
            "SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute \
             WHERE attrelid = to_regclass('{table}') AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        ))
        .await
    }

    /// Waits until a table has so many columns.
    pub async fn until_columns(&self, table: &str, count: usize) {
        let columns = async || self.columns(table).await;
        eventually(&format!("{table} has {count} columns"), columns, |columns| columns.len() == count).await;
    }

    /// The columns of a table's primary key, in its order.
    pub async fn primary_key(&self, table: &str) -> Vec<String> {
        self.query(&format!(
            "SELECT attname::text FROM pg_index, unnest(indkey) WITH ORDINALITY AS part (number, place), pg_attribute \
             WHERE indrelid = to_regclass('{table}') AND indisprimary AND attrelid = indrelid AND attnum = number \
             ORDER BY place"
        ))
        .await
    }

    /// The tables of the schema `public`.
    pub async fn all_tables(&self) -> Vec<String> {
        self.query("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").await
    }
}
