//! Two clusters, each with an operator of its own, and one database.

use crate::support::{Existing, World, claim, dropped, owner, spec, table};
use database_table_operator::{
    error::TableError,
    marker::Owner,
    outcome::{Applied, Dropped, Outcome},
    plan::Claim,
    status::ConditionReason,
};
use serde_json::Value;

const UID: &str = "1-2-3";

/// The claim of the object with the same namespace, name and uid in a copy of the cluster, to which the operator gives this id.
fn in_copy(cluster: &str) -> Claim {
    claim(Owner { cluster: cluster.into(), ..owner("a") })
}

impl World {
    async fn apply_in(&self, cluster: &str, spec: &Value) -> Result<Applied, TableError> {
        self.tables.apply(&Existing(UID), &in_copy(cluster), &table(spec)).await
    }

    async fn drop_in(&self, cluster: &str) -> Result<Dropped, TableError> {
        let claim = Claim { table: Some("public.t".into()), ..in_copy(cluster) };
        self.tables.drop_table(&Existing(UID), &claim, None).await
    }
}

#[tokio::test]
async fn two_clusters_have_tables_of_the_same_objects_side_by_side() {
    let world = World::new("clusters").await;
    world.apply_in("one", &spec("t1", &[("a", "integer")])).await.unwrap();
    world.apply_in("two", &spec("t2", &[("a", "integer")])).await.unwrap();
    for (cluster, table) in [("one", "public.t1"), ("two", "public.t2")] {
        let claim = in_copy(cluster);
        assert_eq!(
            world.tables.drop_table(&Existing(UID), &claim, None).await.unwrap(),
            dropped(table),
            "{cluster}"
        );
    }
}

#[tokio::test]
async fn a_copy_with_an_id_of_its_own_touches_nothing_whatever_becomes_of_its_objects() {
    let world = World::new("copied").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    let before = world.snapshot().await;
    for wanted in [spec("t", &[("a", "integer")]), spec("t", &[("a", "integer"), ("b", "text")])] {
        let error = world.apply_in("copy", &wanted).await.unwrap_err();
        assert_eq!(error.reason(), ConditionReason::Conflict, "{error}");
        let text = error.to_string();
        assert!(text.contains("in another cluster") && text.contains("--cluster-id=\"test\""), "{text}");
    }
    let anothers = world.drop_in("copy").await.unwrap();
    assert!(matches!(anothers, Dropped::Anothers { foreign: true, .. }), "{anothers:?}");
    assert_eq!(world.snapshot().await, before);
    // And the original goes on.
    world.apply(&spec("t", &[("a", "integer"), ("b", "text")])).await.unwrap();
}

#[tokio::test]
async fn a_copy_with_the_originals_id_is_the_original_to_the_database() {
    let world = World::new("copied_id").await;
    world.apply(&spec("t", &[("a", "integer"), ("b", "text")])).await.unwrap();
    world.run("INSERT INTO t VALUES (1, 'x')").await;
    // It was copied before the second column came. An older spec takes nothing away.
    let older = world.apply_in("test", &spec("t", &[("a", "integer")])).await.unwrap_err();
    assert_eq!(older.reason(), ConditionReason::UpdateAborted, "{older}");
    assert_eq!(world.sql.query("SELECT FROM t", &[]).await.unwrap().len(), 1);
    // What nobody can tell apart, it may drop: its id has to be another one before its operator starts.
    assert_eq!(world.drop_in("test").await.unwrap(), dropped("public.t"));
}

#[tokio::test]
async fn a_cluster_that_replaces_another_one_goes_on_with_its_id() {
    let world = World::new("replaced_cluster").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    // Restored by objects, not by etcd: their uids are new, as is that of kube-system.
    let restored = |cluster: &str| claim(Owner { cluster: cluster.into(), uid: "new".into(), ..owner("a") });
    let wanted = table(&spec("t", &[("a", "integer"), ("b", "text")]));
    let error =
        world.tables.apply(&Existing("new"), &restored("another"), &wanted).await.unwrap_err().to_string();
    assert!(error.contains("if this cluster has replaced that one"), "{error}");
    let applied = world.tables.apply(&Existing("new"), &restored("test"), &wanted).await.unwrap();
    assert_eq!(applied.outcome, Outcome::ColumnsAdded(vec!["b".into()]));
}

#[tokio::test]
async fn the_lines_of_all_tables_can_be_given_another_id_by_the_statement_in_the_docs() {
    let world = World::new("renamed_cluster").await;
    for name in ["t", "\"Other\""] {
        let claim = claim(owner(name.trim_matches('"').to_lowercase().as_str()));
        world.tables.apply(&Existing(UID), &claim, &table(&spec(name, &[("a", "integer")]))).await.unwrap();
    }
    world
        .run("COMMENT ON TABLE t IS NULL; CREATE TABLE theirs (a integer); COMMENT ON TABLE theirs IS 'mine'")
        .await;
    let docs = include_str!("../../docs/clusters.md");
    let statement = docs.split("```sql\n").find(|text| text.contains("NEW-ID")).unwrap();
    let (statement, _) = statement.split_once("```").unwrap();
    world.run(&statement.replace("OLD-ID", "test").replace("NEW-ID", "moved")).await;
    let claim = claim(Owner { cluster: "moved".into(), ..owner("other") });
    let applied = world
        .tables
        .apply(&Existing(UID), &claim, &table(&spec("\"Other\"", &[("a", "integer"), ("b", "text")])))
        .await
        .unwrap();
    assert_eq!(applied.outcome, Outcome::ColumnsAdded(vec!["b".into()]));
    let theirs = "SELECT obj_description('theirs'::regclass, 'pg_class')";
    assert_eq!(world.sql.query_one(theirs, &[]).await.unwrap().get::<_, String>(0), "mine");
}

#[tokio::test]
async fn the_query_of_the_docs_finds_the_objects_of_tables_whatever_else_their_comments_say() {
    let world = World::new("docs_lines").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    let docs = include_str!("../../docs/retain.md");
    let query = docs.split("```sql\n").find(|text| text.starts_with("SELECT")).unwrap();
    let (query, _) = query.split_once("```").unwrap();
    let line = "SELECT obj_description('t'::regclass, 'pg_class')";
    let line: String = world.sql.query_one(line, &[]).await.unwrap().get(0);
    for text in [line.clone(), format!("Who {{signed}} up.\r\n{line}\r\nSee {{there}}.\n")] {
        world.run(&format!("COMMENT ON TABLE t IS '{text}'")).await;
        let found = world.sql.simple_query(query).await.unwrap();
        let rows: Vec<_> = found
            .iter()
            .filter_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => Some((row.get(0)?, row.get(1)?, row.get(2)?)),
                _ => None,
            })
            .collect();
        let object = "{\"uid\": \"1-2-3\", \"name\": \"a\", \"cluster\": \"test\", \"namespace\": \"shop\"}";
        assert_eq!(rows, [("t", world.database.user.as_str(), object)], "{text}");
    }
}
