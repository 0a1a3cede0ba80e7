//! Watch of Secrets, for an operator that may see all of them: objects are handled as soon as theirs comes or changes.

use crate::{crd::DatabaseTable, handlers::Context, request::Declared, secrets::SecretId};
use k8s_openapi::api::core::v1::Secret;
use korf::{Index, Name, ObjectNamespace, ObjectRef, State, extract::ObjectAs, handler::Handler};

/// The namespace and the name of a Secret.
type SecretName = (String, String);
type User = ObjectRef<DatabaseTable>;

/// The handlers, which make the operator watch the Secrets of the namespaces that it serves.
pub fn handlers() -> [Handler; 2] {
    [
        korf::index::<DatabaseTable>("objects_by_secret").run(objects_by_secret),
        korf::watches::<Secret, DatabaseTable>("changed_secrets").run(changed_secrets),
    ]
}

/// The object by the Secret that it refers to.
fn objects_by_secret(
    namespace: ObjectNamespace,
    name: Name,
    object: ObjectAs<Declared>,
) -> Option<(SecretName, User)> {
    let reference = object.spec.secret.as_ref().ok()?.as_ref()?;
    let secret = SecretId::new(reference, &namespace);
    Some(((secret.namespace, secret.name), (&*namespace, &*name).into()))
}

/// The objects that refer to a Secret, which is read again for them.
fn changed_secrets(
    namespace: ObjectNamespace,
    name: Name,
    users: Index<SecretName, User>,
    context: State<Context>,
) -> Vec<User> {
    context.connections.expire(&namespace, &name);
    users.get(&(namespace.to_string(), name.0)).into_iter().map(|user| (*user).clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_found_by_the_secret_that_it_refers_to() {
        for (reference, found) in [
            (json!({"name": "pg"}), Some(("shop", "pg"))),
            (json!({"name": "pg", "namespace": "db"}), Some(("db", "pg"))),
            (json!({"name": "a/b"}), None),
            (json!(null), None),
        ] {
            let object = json!({"spec": {"connectionSecretRef": reference}});
            let object = ObjectAs(std::sync::Arc::new(serde_json::from_value(object).unwrap()));
            let pair = objects_by_secret("shop".into(), "t".into(), object);
            let secret = pair.as_ref().map(|((namespace, name), _)| (namespace.as_str(), name.as_str()));
            assert_eq!(secret, found, "{reference}");
            assert!(pair.is_none_or(|(_, user)| user == ObjectRef::from(("shop", "t"))));
        }
    }
}
