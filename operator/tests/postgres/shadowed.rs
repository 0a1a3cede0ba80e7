//! Objects of other people in the search path: functions and operators that fit what the operator asks better than the server's own.
//! None of them is called, because it would run with the rights of the operator's role.

use crate::{
    adopt::adopting,
    support::{Existing, NoAnswer, World, by_pooler, claim, owner, spec, table},
};
use clap::Parser;
use database_table_operator::{
    checks,
    commands::{ImportOptions, manifests},
    connection::Settings,
    database::Database,
    outcome::{Adoption, Dropped},
    plan::{Claim, DriftKind},
    spec::DriftPolicy,
};
use serde_json::{Value, json};

/// Types of what the operator asks for, and of texts in its statements.
const TYPES: &str = "{oid,regclass,regtype,regproc,regnamespace,name,text,varchar,\"\\\"char\\\"\",bool,int2,int4,int8,numeric,\
                     oid[],int2[],name[],text[],\"\\\"char\\\"[]\",int2vector,oidvector,jsonb,json,pg_node_tree,regclass[],varchar[]}";

/// For each pair of these types, all operators that have a name like these; for each type, functions of these names; and a copy of
/// each function of the server. Each raises an error.
const TRAPS: &str = r#"
    SET search_path = pg_catalog;
    SET check_function_bodies = off;
    DO $do$ DECLARE l text; r text; o text; f text; p record;
      trap text := 'CREATE OR REPLACE FUNCTION public.%1$I(%2$s) RETURNS %3$s LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION ''trapped by %1$s %2$s''; END $$';
    BEGIN
      FOR l IN SELECT unnest(TYPES) LOOP
        FOREACH f IN ARRAY '{unnest,to_jsonb,format,concat,sum,max,count,col_description,starts_with}'::text[] LOOP
          EXECUTE format(trap, f, l, 'SETOF text');
        END LOOP;
        FOR r IN SELECT unnest(TYPES) LOOP
          EXECUTE format(trap, 'trap', l || ', ' || r, 'bool');
          FOREACH o IN ARRAY '{=,<>,<,>,<=,>=,||,->,->>,~~,!~~,~,@>,<@,&&,+,-,*}'::text[] LOOP
            EXECUTE format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.trap)', o, l, r);
          END LOOP;
        END LOOP;
      END LOOP;
      FOR p IN SELECT DISTINCT proname, oidvectortypes(proargtypes) args FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
        AND prokind = 'f' AND provariadic = 0 AND NOT EXISTS (SELECT FROM unnest(proargtypes) a JOIN pg_type t ON t.oid = a
          WHERE t.typtype = 'p') LOOP
        EXECUTE format(trap, p.proname, p.args, 'SETOF text');
      END LOOP;
    END $do$;
"#;

impl World {
    /// A database in which another role has set traps in the schema `public`. Its own connection looks past them.
    async fn with_traps(name: &str) -> Self {
        let world = Self::new(name).await;
        let mallory = format!("{}_mallory", world.database.name);
        let traps = TRAPS.replace("TYPES", &format!("'{TYPES}'::text[]"));
        let (set, traps) = (
            format!(
                "CREATE ROLE \"{mallory}\"; GRANT CREATE ON SCHEMA public TO \"{mallory}\"; SET ROLE \"{mallory}\""
            ),
            traps,
        );
        world.run_as_superuser(&format!("{set}; {traps}")).await;
        world.run("SET search_path = pg_catalog; CREATE TYPE public.mood AS ENUM ('sad', 'ok')").await;
        world
    }

    async fn applied_again(&self, wanted: &Value) -> Option<DriftKind> {
        let claim =
            Claim { was_applied: true, drift: DriftPolicy::Repair, ..self.claim.lock().unwrap().clone() };
        let applied = self.tables.apply(&NoAnswer, &claim, &table(wanted)).await.unwrap();
        applied.drift.map(|difference| difference.kind)
    }
}

fn wanted() -> Value {
    json!({
        "tableName": "t",
        "columns": [
            {"id": {"type": "bigint", "identity": "ByDefault"}},
            {"n": {"type": "integer", "nullable": false, "default": 7, "comment": "How many."}},
            {"name": {"type": "varchar(50)", "unique": true, "collation": "C"}},
            {"shown": {"type": "text", "generated": "pg_catalog.upper(name)"}},
            {"s": "serial"},
            {"mood": {"type": "mood", "default": "'ok'"}},
            {"plain": "numeric(9, 2)"},
        ],
        "primaryKey": "id",
        "indexes": [{"name": "by_name", "columns": ["name", "n"]}, {"name": "by_n", "columns": ["n"], "unique": true}],
    })
}

/// All that an operator does of a table in its life, and beside it.
async fn live(mut world: World) {
    let mut wanted = wanted();
    world.apply(&wanted).await.unwrap();
    world.run("INSERT INTO public.t (n, name) VALUES (1, 'a'), (2, 'b')").await;
    world.restart();
    world.apply(&wanted).await.unwrap();
    // Types that have become others, and new ones; steps that look at rows; an index that becomes another.
    wanted["columns"][6] = json!({"plain": {"type": "numeric(12, 2)"}});
    wanted["columns"][5] =
        json!({"temper": {"type": "mood", "nullable": false, "default": "'ok'", "renamedFrom": "mood"}});
    wanted["columns"][4] = json!({"s": "bigserial"});
    wanted["columns"][1] = json!({"n": {"type": "bigint", "unique": true, "default": 8}});
    wanted["columns"].as_array_mut().unwrap().push(json!({"more": {"type": "public.mood[]"}}));
    wanted["indexes"][0]["columns"] = json!(["n", "name"]);
    world.apply(&wanted).await.unwrap();
    wanted["columns"][1] = json!({"n": "bigint"});
    wanted["indexes"] = json!([]);
    world.apply(&wanted).await.unwrap();
    assert_eq!(world.applied_again(&wanted).await, None);
    // From here on, there are event triggers, too.
    world
        .run_as_superuser(
            "CREATE FUNCTION public.nothing() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; \
             CREATE EVENT TRIGGER nothing ON ddl_command_end EXECUTE FUNCTION public.nothing()",
        )
        .await;
    for (sql, kind) in [
        ("ALTER TABLE public.t DROP COLUMN more", DriftKind::Column),
        ("ALTER TABLE public.t DROP CONSTRAINT t_pkey", DriftKind::Key),
        ("ALTER TABLE public.t DROP CONSTRAINT t_name_key", DriftKind::Other),
    ] {
        world.run(sql).await;
        world.tables.look_for_drift(&|_: &str, _: &str| {}).await.unwrap();
        assert_eq!(world.applied_again(&wanted).await, Some(kind), "{sql}");
    }

    world.run("CREATE TABLE public.theirs (id integer PRIMARY KEY, feeling public.mood DEFAULT 'ok'); CREATE TABLE public.former (a integer)").await;
    let url = format!("--database-url={}", by_pooler(&world.database));
    let (options, mut out) = (ImportOptions::parse_from(["import", &url]), Vec::new());
    assert!(manifests(&options, &mut out).await.unwrap());
    let out = String::from_utf8(out).unwrap();
    assert!(out.contains("tableName: theirs"), "{out}");
    let settings = Settings::read(Some(&by_pooler(&world.database)), |_| None).unwrap();
    let checked = checks::of_database(&settings).await;
    assert!(checked.iter().all(|finding| finding.to_string().starts_with("ok ")), "{checked:?}");
    let theirs = json!({"tableName": "theirs", "columns": [{"id": "integer"}, {"feeling": {"type": "mood", "default": "'ok'"}}], "primaryKey": "id"});
    let planned = world.tables.preview(&Existing("1-2-3"), &adopting(owner("theirs")), &table(&theirs)).await;
    assert_eq!(planned.err().map(|error| error.to_string()), None);
    let adopted =
        world.tables.apply(&Existing("1-2-3"), &adopting(owner("theirs")), &table(&theirs)).await.unwrap();
    assert_eq!(adopted.adoption, Some(Adoption::ByPolicy));
    let former = spec("former", &[("a", "integer")]);
    let by_kopf = Claim { former: Some(table(&former)), ..claim(owner("former")) };
    let taken = world.tables.apply(&Existing("1-2-3"), &by_kopf, &table(&former)).await.unwrap();
    assert_eq!(taken.adoption, Some(Adoption::HandedOver));

    world.lose_the_status();
    let another = Database::new(settings.pool(2).unwrap());
    for name in ["a", "theirs", "former"] {
        let dropped = another.drop_table(&Existing("1-2-3"), &claim(owner(name)), None).await.unwrap();
        assert!(matches!(dropped, Dropped::Table(_)), "{name}: {dropped:?}");
    }
}

#[tokio::test]
async fn what_others_put_into_the_search_path_is_never_called() {
    live(World::with_traps("shadowed").await).await;
}

#[tokio::test]
async fn what_others_put_before_the_servers_own_is_never_called() {
    let world = World::with_traps("shadowed_first").await;
    let name = &world.database.name;
    world.run_as_superuser(&format!("ALTER DATABASE \"{name}\" SET search_path = public, pg_catalog")).await;
    live(world).await;
}
