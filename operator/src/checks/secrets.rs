//! Checks of the databases that objects name: one line for each Secret, which has nothing of what the Secret says.

use super::{OLDEST, Server};
use crate::{
    commands::patiently,
    connection::Settings,
    crd::DatabaseTable,
    error::DatabaseError,
    identifier::quote,
    message::printable,
    pool::Pools,
    secrets::{self, SecretError, SecretId, Secrets},
    spec::Declaration,
    sqlstate::Step,
};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use korf::cli::{Checks, Finding};
use kube::core::ApiResource;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};

/// The databases that are looked at together.
const AT_ONCE: usize = 8;
/// The time for one of them.
const EACH: Duration = Duration::from_secs(10);
/// The time for all of them.
const ALL: Duration = Duration::from_secs(60);

/// How the operator is to run, as far as it matters to the databases of Secrets.
#[derive(Debug)]
pub struct Rules<'a> {
    /// Its own database, if it is to have one.
    pub own: Option<&'a Settings>,
    /// The namespaces whose Secrets may be used from others.
    pub allowed: &'a [String],
}

/// Which databases the objects name.
#[derive(Debug, Default, PartialEq, Eq)]
struct Named {
    secrets: BTreeMap<SecretId, Asked>,
    /// The objects whose tables are in the operator's own.
    others: BTreeSet<String>,
}

/// What objects ask of one database.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    objects: BTreeSet<String>,
    /// Whether the table of one is in the first schema of the search path.
    needs_schema: bool,
    creates_schema: bool,
}

impl Named {
    /// Of objects with their namespaces and names. Those whose reference is wrong have a status that says so.
    fn of<'a>(objects: impl IntoIterator<Item = (&'a str, &'a str, Declaration)>) -> Self {
        let mut named = Self::default();
        for (namespace, name, declared) in objects {
            let object = format!("{namespace}/{name}");
            match declared.secret {
                Ok(Some(reference)) => {
                    let asked = named.secrets.entry(SecretId::new(&reference, namespace)).or_default();
                    if let Ok(table) = declared.table {
                        asked.needs_schema |= table.schema.is_none();
                        asked.creates_schema |= table.create_schema;
                    }
                    asked.objects.insert(object);
                }
                Ok(None) => drop(named.others.insert(object)),
                Err(_) => {}
            }
        }
        named
    }
}

/// Looks at the database of each Secret that an object names, without a change to it, within a minute.
pub async fn of_secrets(checks: &Checks, rules: &Rules<'_>) {
    let kind = ApiResource::erase::<DatabaseTable>(&());
    let found = match checks.objects(&kind).await {
        Ok(found) => found,
        Err(why) => {
            let text = format!("which Secrets objects name isn't known, since they can't be listed: {why}");
            return checks.report(Finding::warning("secrets", text));
        }
    };
    let declared = found.iter().map(|object| {
        let spec = serde_json::from_value(object.data["spec"].clone()).unwrap_or_default();
        (
            object.metadata.namespace.as_deref().unwrap_or_default(),
            object.metadata.name.as_deref().unwrap_or_default(),
            spec,
        )
    });
    let named = Named::of(declared);
    drop(found);
    if rules.own.is_none() && !named.others.is_empty() {
        let text = format!(
            "no connectionSecretRef, and the operator has no database of its own: {}. Name the Secret of one",
            several(&named.others)
        );
        checks.report(Finding::failed("objects", text));
    }
    let end = Instant::now() + ALL;
    let look = async |(secret, asked): (&SecretId, &Asked)| {
        let limit = end.min(Instant::now() + EACH);
        let finding = timeout_at(limit, look(checks, rules, secret, asked)).await;
        finding.unwrap_or_else(|_| {
            let subject = subject(secret, asked);
            if limit == end {
                Finding::warning(
                    "secret",
                    format!("{subject}: not looked at, since the others took a minute"),
                )
            } else {
                Finding::failed("secret", format!("{subject}: no answer within {} seconds", EACH.as_secs()))
            }
        })
    };
    let all = stream::iter(&named.secrets).map(look).buffered(AT_ONCE);
    let told = all.for_each(async |finding| checks.report(finding));
    patiently("Looking at the databases of Secrets, for a minute at most", told).await;
}

/// Looks at one of them.
async fn look(checks: &Checks, rules: &Rules<'_>, secret: &SecretId, asked: &Asked) -> Finding {
    let subject = subject(secret, asked);
    let failed = |why: String| Finding::failed("secret", printable(&format!("{subject}: {why}")));
    if secret.is_foreign && !rules.allowed.contains(&secret.namespace) {
        return failed(SecretError::NotAllowed(secret.clone()).to_string());
    }
    let kind = ApiResource::erase::<Secret>(&());
    match checks.may_get(&kind, &secret.namespace, &secret.name).await {
        Ok(true) => {}
        Ok(false) => {
            let who = checks.account();
            return failed(format!("{who} can't get it: grant that by a Role in its namespace"));
        }
        Err(why) => return failed(format!("whether it may be read isn't known: {why}")),
    }
    let Some(client) = checks.client() else { return failed("the API server can't be asked".to_owned()) };
    let data = match secrets::in_cluster(client).read(secret).await {
        Ok(Some(data)) => data,
        Ok(None) => return failed("it doesn't exist: create it, or correct connectionSecretRef".to_owned()),
        // The one who looks isn't the operator.
        Err(error) if error.denied => {
            let text = format!("{subject}: you can't read it, so its database wasn't looked at: {error}");
            return Finding::warning("secret", printable(&text));
        }
        Err(error) => return failed(format!("it can't be read: {error}")),
    };
    let settings = match Settings::of_secret(&data, rules.own) {
        Ok(settings) => settings,
        Err(fault) => return failed(format!("it {fault}")),
    };
    let names = settings.names();
    let away = |error: DatabaseError| failed(names.hide(error.to_string()));
    let pool = match Pools::new(1).pool(&settings) {
        Ok(pool) => pool,
        Err(error) => return failed(error.to_string()),
    };
    let connection = match pool.get().await {
        Ok(connection) => connection,
        Err(error) => return away(error.into()),
    };
    match Server::read(&connection).await {
        Ok(server) => server.of_secret(&subject, asked),
        Err(error) => away(DatabaseError::at(Step::Read, error)),
    }
}

impl Server {
    /// All in one line. It names neither the user nor the database.
    fn of_secret(&self, subject: &str, asked: &Asked) -> Finding {
        let (mut failed, mut warnings) = (Vec::new(), Vec::new());
        if self.is_standby {
            failed.push("it is a standby, which can't be written".to_owned());
        } else if self.is_read_only {
            failed.push("its transactions are read-only, by default_transaction_read_only".to_owned());
        }
        match &self.schema {
            _ if !asked.needs_schema => {}
            None => failed.push("no schema in the search_path of its user exists".to_owned()),
            Some(schema) if !self.may_create => failed.push(format!(
                "its user may not create tables in {schema}: GRANT CREATE ON SCHEMA {schema}",
                schema = quote(schema)
            )),
            Some(_) => {}
        }
        if asked.creates_schema && !self.may_create_schemas {
            let text =
                "its user may not create schemas, for objects with createSchema: GRANT CREATE ON DATABASE";
            warnings.push(text.to_owned());
        }
        if !self.may_create_temporary {
            let text = "its user may not create temporary tables, in which defaults and generated columns are tried: GRANT \
                        TEMPORARY ON DATABASE";
            warnings.push(text.to_owned());
        }
        if self.number / 10_000 < OLDEST {
            warnings.push(format!("the operator isn't tested with versions before {OLDEST}"));
        }
        let make: fn(&'static str, String) -> Finding = match (failed.is_empty(), warnings.is_empty()) {
            (false, _) => Finding::failed,
            (true, false) => Finding::warning,
            (true, true) => Finding::fine,
        };
        let all: Vec<_> = failed.into_iter().chain(warnings).collect();
        let rest = if all.is_empty() { "its user may create tables".to_owned() } else { all.join("; ") };
        make("secret", printable(&format!("{subject}: PostgreSQL {} answers; {rest}", self.version)))
    }
}

/// The Secret, and whose it is.
fn subject(secret: &SecretId, asked: &Asked) -> String {
    let key = secret.key.as_ref().map(|key| format!(", key {key}")).unwrap_or_default();
    format!("{secret}{key}, for {}", several(&asked.objects))
}

/// Some objects in words.
fn several(objects: &BTreeSet<String>) -> String {
    let first = objects.first().map_or("", String::as_str);
    match objects.len() {
        0 | 1 => first.to_owned(),
        more => format!("{first} and {} more", more - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::tests::server;
    use serde_json::json;

    fn declared(more: &serde_json::Value) -> Declaration {
        let mut spec = json!({"tableName": "t", "columns": [{"a": "text"}]});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn objects_with_the_same_secret_have_one_line() {
        let of = |name: &str| json!({"connectionSecretRef": {"name": name}});
        let named = Named::of([
            ("shop", "a", declared(&of("pg"))),
            (
                "shop",
                "b",
                declared(
                    &json!({"connectionSecretRef": {"name": "pg"}, "schema": "s", "createSchema": true}),
                ),
            ),
            ("bank", "a", declared(&of("pg"))),
            (
                "bank",
                "b",
                declared(&json!({"connectionSecretRef": {"namespace": "shop", "name": "pg", "key": "k"}})),
            ),
            ("bank", "c", declared(&json!({}))),
            ("bank", "d", declared(&json!({"connectionSecretRef": "pg"}))),
        ]);
        let subjects: Vec<_> = named.secrets.iter().map(|(secret, asked)| subject(secret, asked)).collect();
        let expected = [
            "Secret bank/pg, for bank/a",
            "Secret shop/pg, for shop/a and 1 more",
            "Secret shop/pg, key k, for bank/b",
        ];
        assert_eq!(subjects, expected);
        assert_eq!(named.others, ["bank/c".to_owned()].into());
        let asked: Vec<_> =
            named.secrets.values().map(|asked| (asked.needs_schema, asked.creates_schema)).collect();
        assert_eq!(asked, [(true, false), (true, true), (true, false)]);
    }

    #[test]
    fn what_a_database_lacks_is_one_line_without_the_user_and_the_database() {
        let plain = Asked { needs_schema: true, ..Asked::default() };
        let elsewhere = Asked { needs_schema: false, creates_schema: true, ..Asked::default() };
        for (server, asked, line) in [
            (
                server(),
                &plain,
                "ok       secret       S: PostgreSQL 15.18 answers; its user may create tables",
            ),
            (
                Server { is_standby: true, may_create_temporary: false, ..server() },
                &plain,
                "failed   secret       S: PostgreSQL 15.18 answers; it is a standby, which can't be written; its user may not create \
                 temporary tables, in which defaults and generated columns are tried: GRANT TEMPORARY ON DATABASE",
            ),
            (
                Server { may_create: false, schema: Some("a\nb".into()), ..server() },
                &plain,
                "failed   secret       S: PostgreSQL 15.18 answers; its user may not create tables in \"a\\nb\": GRANT CREATE ON \
                 SCHEMA \"a\\nb\"",
            ),
            (
                Server { schema: None, may_create: false, may_create_schemas: false, ..server() },
                &elsewhere,
                "warning  secret       S: PostgreSQL 15.18 answers; its user may not create schemas, for objects with createSchema: \
                 GRANT CREATE ON DATABASE",
            ),
        ] {
            assert_eq!(server.of_secret("S", asked).to_string(), line);
        }
    }
}
