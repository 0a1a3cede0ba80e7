//! Checks of the database for the command `check`: whether tables could be made there.

mod secrets;

pub use secrets::{Rules, of_secrets};

use crate::{connection::Settings, error::DatabaseError};
use korf::cli::Finding;
use tokio_postgres::{Client, Error};

/// The oldest PostgreSQL that the operator is tested with.
const OLDEST: i32 = 14;

/// What the server says of itself, and of the operator's user.
struct Server {
    /// Such as 150018.
    number: i32,
    version: String,
    is_standby: bool,
    is_read_only: bool,
    user: String,
    /// The first schema of the search path that exists.
    schema: Option<String>,
    may_create: bool,
    database: String,
    may_create_schemas: bool,
    may_create_temporary: bool,
}

/// Looks at the database, without a change to it.
pub async fn of_database(settings: &Settings) -> Vec<Finding> {
    let target = settings.target();
    let failed = |why: String| {
        vec![Finding::failed(
            "database",
            format!(
                "can't connect to {target}: {why}. Check DATABASE_URL (or --database-url, DATABASE_URL_FILE, or PG*)"
            ),
        )]
    };
    let pool = match settings.pool(1) {
        Ok(pool) => pool,
        Err(error) => return failed(error.to_string()),
    };
    let connection = match pool.get().await.map_err(DatabaseError::from) {
        Ok(connection) => connection,
        Err(error) => return failed(error.to_string()),
    };
    match Server::read(&connection).await {
        Ok(server) => server.findings(&target),
        Err(error) => failed(error.to_string()),
    }
}

impl Server {
    async fn read(sql: &Client) -> Result<Self, Error> {
        let query = "SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4, \
                       pg_catalog.current_setting('server_version'), pg_catalog.pg_is_in_recovery(), \
                       pg_catalog.current_setting('transaction_read_only')::pg_catalog.bool, current_user::pg_catalog.text, \
                       pg_catalog.current_schema()::pg_catalog.text, \
                       COALESCE(pg_catalog.has_schema_privilege(pg_catalog.current_schema(), 'CREATE'), false), \
                       pg_catalog.current_database()::pg_catalog.text, \
                       pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'), \
                       pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY')";
        let row = sql.query_typed_one(query, &[]).await?;
        Ok(Self {
            number: row.try_get(0)?,
            version: row.try_get(1)?,
            is_standby: row.try_get(2)?,
            is_read_only: row.try_get(3)?,
            user: row.try_get(4)?,
            schema: row.try_get(5)?,
            may_create: row.try_get(6)?,
            database: row.try_get(7)?,
            may_create_schemas: row.try_get(8)?,
            may_create_temporary: row.try_get(9)?,
        })
    }

    fn findings(&self, target: &str) -> Vec<Finding> {
        let version = format!("PostgreSQL {} answers for {target}: the operator's own", self.version);
        let version = if self.number / 10_000 < OLDEST {
            Finding::warning(
                "database",
                format!("{version}. The operator isn't tested with versions before {OLDEST}"),
            )
        } else {
            Finding::fine("database", version)
        };
        vec![version, self.writes(), self.place(), self.schemas(), self.temporary()]
    }

    fn writes(&self) -> Finding {
        if self.is_standby {
            let text = "it is a standby, which can't be written: connect to the primary, or list both hosts in the URL";
            return Finding::failed("writes", text);
        }
        if self.is_read_only {
            let text = "transactions are read-only, by default_transaction_read_only of the server, the database or the user: \
                        objects wait until it is off";
            return Finding::failed("writes", text);
        }
        Finding::fine("writes", "transactions may write")
    }

    fn place(&self) -> Finding {
        let Self { user, schema, .. } = self;
        let Some(schema) = schema else {
            let text = format!(
                "no schema in the search_path of user {user:?} exists: create one, or set another search_path"
            );
            return Finding::failed("schema", text);
        };
        if self.may_create {
            return Finding::fine("schema", format!("user {user:?} may create tables in {schema:?}"));
        }
        let (schema, user) = (crate::identifier::quote(schema), crate::identifier::quote(user));
        let grant = format!("GRANT CREATE ON SCHEMA {schema} TO {user}");
        Finding::failed("schema", format!("user {user} may not create tables in {schema}: run {grant}"))
    }

    fn schemas(&self) -> Finding {
        let what = "for objects with createSchema";
        self.in_database("schemas", self.may_create_schemas, "CREATE", "schemas", what)
    }

    fn temporary(&self) -> Finding {
        let what = "in which defaults and generated columns are tried before they are used";
        self.in_database("temporary", self.may_create_temporary, "TEMPORARY", "temporary tables", what)
    }

    /// A right that not all objects need.
    fn in_database(
        &self,
        name: &'static str,
        may: bool,
        right: &str,
        things: &str,
        purpose: &str,
    ) -> Finding {
        let [user, database] = [&self.user, &self.database].map(|name| crate::identifier::quote(name));
        if may {
            return Finding::fine(name, format!("user {user} may create {things}, {purpose}"));
        }
        let grant = format!("GRANT {right} ON DATABASE {database} TO {user}");
        Finding::warning(
            name,
            format!(
                "user {user} may not create {things}, {purpose}: if there are to be such objects, run {grant}"
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn server() -> Server {
        Server {
            number: 150_018,
            version: "15.18".into(),
            is_standby: false,
            is_read_only: false,
            user: "demouser".into(),
            schema: Some("public".into()),
            may_create: true,
            database: "demo\"db".into(),
            may_create_schemas: true,
            may_create_temporary: true,
        }
    }

    fn lines(server: &Server) -> Vec<String> {
        server.findings("database demodb").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_thing_that_keeps_tables_from_being_made_has_a_line_that_says_what_to_do() {
        assert!(lines(&server()).iter().all(|line| line.starts_with("ok ")), "{:?}", lines(&server()));
        for (server, line) in [
            (
                Server { number: 130_010, version: "13.10".into(), ..server() },
                "isn't tested with versions before 14",
            ),
            (Server { is_standby: true, ..server() }, "it is a standby"),
            (Server { is_read_only: true, ..server() }, "read-only, by default_transaction_read_only"),
            (Server { schema: None, ..server() }, "no schema in the search_path of user \"demouser\" exists"),
            (
                Server { may_create: false, user: "O'Neil".into(), ..server() },
                "run GRANT CREATE ON SCHEMA \"public\" TO \"O'Neil\"",
            ),
            (
                Server { may_create_schemas: false, ..server() },
                "may not create schemas, for objects with createSchema: if there are to be such objects, run GRANT CREATE ON DATABASE \"demo\"\"db\" TO \"demouser\"",
            ),
            (
                Server { may_create_temporary: false, ..server() },
                "run GRANT TEMPORARY ON DATABASE \"demo\"\"db\" TO \"demouser\"",
            ),
        ] {
            let lines = lines(&server);
            let found: Vec<_> = lines.iter().filter(|found| !found.starts_with("ok ")).collect();
            assert!(matches!(&*found, [only] if only.contains(line)), "{line}: {lines:?}");
        }
    }
}
