//! The database, as the checks read it: from PostgreSQL's own catalog.

use crate::Result;
use tokio_postgres::{Client, SimpleQueryMessage};

const COLUMNS: &str = "SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute \
                       WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum";

const PRIMARY_KEY: &str =
    "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = to_regclass($1) AND contype = 'p'";

/// A connection to the demo's database.
pub struct DatabaseClient(pub Client);

impl DatabaseClient {
    /// The columns of a table with their types, then its primary key; `no table` if there is none.
    pub async fn table(&self, name: &str) -> Result<String> {
        let columns = self.texts(COLUMNS, name).await?;
        if columns.is_empty() {
            return Ok("no table".to_owned());
        }
        let key = self.texts(PRIMARY_KEY, name).await?;
        Ok(columns.into_iter().chain(key).collect::<Vec<_>>().join(", "))
    }

    /// The rows that a query returns, as text.
    pub async fn rows(&self, query: &str) -> Result<String> {
        let messages = self.0.simple_query(query).await?;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                let values = (0..row.len()).map(|column| row.get(column).unwrap_or_default());
                Some(values.collect::<Vec<_>>().join(" | "))
            }
            _ => None,
        });
        Ok(rows.collect::<Vec<_>>().join("\n"))
    }

    /// Roughly what psql prints for a command, for machines without psql.
    pub async fn emulate_psql(&self, command: &str) -> Result<String> {
        match command.strip_prefix(r"\d") {
            None => self.rows(command).await,
            Some("") => self.rows("SELECT relname FROM pg_stat_user_tables ORDER BY relname").await,
            Some(table) => Ok(self.table(table.trim()).await?.replace(", ", "\n")),
        }
    }

    async fn texts(&self, query: &str, table: &str) -> Result<Vec<String>> {
        let rows = self.0.query(query, &[&table]).await?;
        Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
    }
}
