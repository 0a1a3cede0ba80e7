//! Command `crd`: the definitions of the operator's kinds.

use crate::{families::Handler, registry::Registry};
use std::{
    collections::BTreeMap,
    io::{self, Write},
};

/// One YAML document for each kind that has a definition; a note for each that has none.
pub(super) fn print(registry: &Registry, out: &mut impl Write, notes: &mut impl Write) -> io::Result<()> {
    for handler in kinds(registry) {
        let kind = &handler.kind;
        match kind.definition {
            Some(definition) => {
                let yaml = serde_saphyr::to_string(&definition()).map_err(io::Error::other)?;
                write!(out, "---\n{}\n", yaml.trim_end())?;
            }
            None => writeln!(
                notes,
                "{} ({}) has no definition here: it is built in, or defined elsewhere.",
                kind.resource.kind, kind.resource.api_version
            )?,
        }
    }
    Ok(())
}

/// A handler of each kind: one that knows the definition, if there is one.
pub(super) fn kinds(registry: &Registry) -> impl Iterator<Item = &Handler> {
    let mut kinds = BTreeMap::<_, &Handler>::new();
    for handler in registry.handlers().iter().filter(|handler| !handler.kind.is_any()) {
        let resource = &handler.kind.resource;
        let known = kinds.entry((&resource.group, &resource.kind, &resource.version)).or_insert(handler);
        if known.kind.definition.is_none() {
            *known = handler;
        }
    }
    kinds.into_values()
}
