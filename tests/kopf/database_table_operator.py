"""The Kopf demo's operator, with which korf's operator takes turns in the handover tests.

    DATABASE_URL=postgres://… CLUSTER_ID=$(kubectl get namespace kube-system -o jsonpath='{.metadata.uid}') \\
        kopf run --standalone --namespace default tests/kopf/database_table_operator.py

Its tables have the comment by which korf's operator recognises their owner (operator/src/marker.rs). Without CLUSTER_ID
they have none, like those of the Kopf demo.
"""

import json
import logging
import os

import kopf
import pg8000.native

import recording
from database import connected

RESOURCE = ("kopf.demo", "v1", "databasetables")


@kopf.on.create(*RESOURCE)
@recording.recorded
def create_handler(name, namespace, uid, spec, **_):
    logging.info(f"Create handler invoked by custom resource {name}. Creating database table.")
    columns = [f"{column} {type_}" for column, type_ in pairs(spec["columns"])]
    if "primaryKey" in spec:
        columns.append(f"PRIMARY KEY ({spec['primaryKey']})")
    with connected() as database:
        database.run("BEGIN")
        database.run(f"CREATE TABLE IF NOT EXISTS {spec['tableName']} ({', '.join(columns)})")
        if cluster := os.environ.get("CLUSTER_ID"):
            owner = {"cluster": cluster, "namespace": namespace, "name": name, "uid": uid}
            comment = "database-table-operator: " + json.dumps(owner, separators=(",", ":"), ensure_ascii=False)
            database.run(f"COMMENT ON TABLE {spec['tableName']} IS {pg8000.native.literal(comment)}")
        database.run("COMMIT")
    return {"table": spec["tableName"], "columns": len(spec["columns"])}


@kopf.on.update(*RESOURCE)
@recording.recorded
def update_handler(name, spec, diff, **_):
    logging.info(f"Update handler invoked by custom resource {name}. Checking diff.")
    added = []
    for _operation, field, old, new in diff:
        if field != ("spec", "columns"):
            continue
        old, new = pairs(old), pairs(new)
        if removed := [column for column in old if column not in new]:
            raise kopf.PermanentError(f"Removing or changing columns is not supported: {removed}")
        added += [f"ADD COLUMN {column} {type_}" for column, type_ in new if (column, type_) not in old]
    if added:
        with connected() as database:
            database.run(f"ALTER TABLE {spec['tableName']} {', '.join(added)}")
    return {"table": spec["tableName"], "columns": len(spec["columns"])}


@kopf.on.delete(*RESOURCE)
@recording.recorded
def delete_handler(name, spec, **_):
    logging.info(f"Delete handler invoked by custom resource {name}. Dropping database table.")
    with connected() as database:
        database.run(f"DROP TABLE IF EXISTS {spec['tableName']}")


def pairs(columns):
    return [pair for column in columns for pair in column.items()]
