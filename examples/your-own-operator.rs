//! The operator of [docs/your-own-operator.md](../docs/your-own-operator.md): a Secret with the data of each ConfigMap that
//! has the label `mirror=true`.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use korf::{Error, Name, Object, ObjectNamespace, Result};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams},
};
use std::{process::ExitCode, time::Duration};

#[korf::on_create(ConfigMap, labels = "mirror=true")]
#[korf::on_update(ConfigMap, labels = "mirror=true")]
#[korf::needs(Secret, create, patch)]
async fn mirror(map: Object<ConfigMap>, name: Name, namespace: ObjectNamespace, client: Client) -> Result {
    let Some(data) = &map.data else {
        return Err(Error::temporary("there is no data yet", Duration::from_secs(30)));
    };
    let data = data.iter().map(|(key, text)| (key.clone(), ByteString(text.clone().into_bytes())));
    let mut secret = Secret { data: Some(data.collect()), ..Secret::default() };
    map.adopt(&mut secret)?;
    let secrets = Api::<Secret>::namespaced(client, &namespace);
    secrets.patch(&name, &PatchParams::apply("mirror").force(), &Patch::Apply(&secret)).await?;
    Ok(())
}

#[korf::on_field(ConfigMap, field = "metadata.labels.mirror", old = "true", new = |mirror| mirror != "true")]
#[korf::needs(Secret, delete)]
async fn unmirror(name: Name, namespace: ObjectNamespace, client: Client) -> Result {
    let secrets = Api::<Secret>::namespaced(client, &namespace);
    match secrets.delete(&name, &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        deleted => Ok(deleted.map(drop)?),
    }
}

fn main() -> ExitCode {
    korf::cli::main("mirror")
}

#[cfg(test)]
mod tests {
    use super::*;
    use korf::Operator;
    use korf_testing::Cluster;
    use serde_json::{from_value, json};

    #[test]
    fn a_secret_follows_its_map() {
        let mut cluster = Cluster::of(|| Operator::new("mirror")).unwrap();
        let map = json!({"metadata": {"name": "a", "labels": {"mirror": "true"}}});
        cluster.create::<ConfigMap>(&from_value(map).unwrap()).unwrap();
        let failed =
            "Handler 'mirror' failed temporarily and will try again in 30 seconds: there is no data yet";
        cluster.assert_logged("a", failed);

        cluster.patch::<ConfigMap>("a", json!({"data": {"key": "value"}})).unwrap();
        assert_eq!(cluster.get::<Secret>("a").unwrap().data.unwrap()["key"].0, b"value");

        cluster.patch::<ConfigMap>("a", json!({"metadata": {"labels": {"mirror": null}}})).unwrap();
        assert!(!cluster.exists::<Secret>("a"));
    }
}
