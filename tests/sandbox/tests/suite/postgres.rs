use korf_sandbox::{Postgres, Sandbox};
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

#[tokio::test]
async fn the_owner_of_a_database_can_create_tables_and_use_only_its_own() {
    let postgres = &Sandbox::shared().await.unwrap().postgres;
    let database = postgres.create_database("owned").await.unwrap();
    let owner = database.connect().await.unwrap();
    owner.batch_execute("CREATE TABLE plants (name text)").await.unwrap();
    let row = owner.query_one("SELECT current_user::text, current_database()::text", &[]).await.unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("owned", "owned"));

    let superuser = database.connect_as_superuser().await.unwrap();
    superuser.batch_execute("ALTER TABLE plants OWNER TO postgres").await.unwrap();
    let error = owner.batch_execute("SELECT * FROM plants").await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
}

#[tokio::test]
async fn a_wrong_password_is_rejected() {
    let postgres = &Sandbox::shared().await.unwrap().postgres;
    let database = postgres.create_database("locked").await.unwrap();
    let wrong = database.url().replace(&database.password, "wrong");
    let error = tokio_postgres::connect(&wrong, NoTls).await.err().unwrap();
    assert_eq!(error.code(), Some(&SqlState::INVALID_PASSWORD));
    assert!(tokio_postgres::connect(&database.url(), NoTls).await.is_ok());
}

#[tokio::test]
async fn psql_connects_as_the_superuser_and_tls_verifies() {
    let postgres = &Sandbox::shared().await.unwrap().postgres;
    let mut psql = postgres.psql().unwrap();
    psql.args(["-At", "-c", "SELECT ssl, current_user FROM pg_stat_ssl WHERE pid = pg_backend_pid()"]);
    psql.env("PGHOST", "localhost").env("PGHOSTADDR", "127.0.0.1");
    psql.env("PGSSLMODE", "verify-full").env("PGSSLROOTCERT", postgres.ca_certificate().unwrap());
    let output = psql.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "t|postgres\n", "{output:?}");
}

#[tokio::test]
async fn a_stopped_server_resumes_with_its_data() {
    let postgres = Postgres::start().await.unwrap();
    let database = postgres.create_database("lasting").await.unwrap();
    let before = database.connect().await.unwrap();
    before.batch_execute("CREATE TABLE numbers AS SELECT 7 AS number").await.unwrap();

    postgres.stop().await.unwrap();
    assert!(before.simple_query("SELECT 1").await.is_err());
    assert!(database.connect().await.is_err());

    postgres.resume().await.unwrap();
    let after = database.connect().await.unwrap();
    let row = after.query_one("SELECT number FROM numbers", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 7);
}

#[tokio::test]
async fn a_standby_follows_its_primary_and_takes_its_place() {
    let primary = Postgres::start().await.unwrap();
    let database = primary.create_database("followed").await.unwrap();
    let standby = primary.standby().await.unwrap();
    database
        .connect()
        .await
        .unwrap()
        .batch_execute("CREATE TABLE numbers AS SELECT 7 AS number")
        .await
        .unwrap();
    // It sends all before it ends.
    primary.stop().await.unwrap();
    let copy = standby.copy_of(&database);
    let superuser = copy.connect_as_superuser().await.unwrap();
    let read_only = superuser.batch_execute("CREATE TABLE others ()").await.unwrap_err();
    assert_eq!(read_only.code(), Some(&SqlState::READ_ONLY_SQL_TRANSACTION));
    let promoted = superuser.query_one("SELECT pg_promote()", &[]).await.unwrap();
    assert!(promoted.get::<_, bool>(0));
    let row = copy.connect().await.unwrap().query_one("SELECT number FROM numbers", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 7);
}
