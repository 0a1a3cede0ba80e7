//! The attributes of korf: `#[korf::on_create(Kind)]` and so on.
#![expect(
    missing_docs,
    reason = "they are documented where korf re-exports them, and their examples are tested there"
)]

mod arguments;
mod entries;
mod expand;
mod function;
mod needs;
mod options;

use arguments::Attribute;
use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;

#[proc_macro_attribute]
pub fn on_create(attribute: TokenStream, item: TokenStream) -> TokenStream {
    handler(&Attribute { name: "on_create", scope: "Creation", own: &[], plain: false }, attribute, item)
}

#[proc_macro_attribute]
pub fn on_update(attribute: TokenStream, item: TokenStream) -> TokenStream {
    handler(
        &Attribute { name: "on_update", scope: "Update", own: &["old", "new"], plain: false },
        attribute,
        item,
    )
}

#[proc_macro_attribute]
pub fn on_delete(attribute: TokenStream, item: TokenStream) -> TokenStream {
    handler(
        &Attribute {
            name: "on_delete",
            scope: "Deletion",
            own: &["optional", "release_on_failure"],
            plain: false,
        },
        attribute,
        item,
    )
}

#[proc_macro_attribute]
pub fn on_resume(attribute: TokenStream, item: TokenStream) -> TokenStream {
    handler(
        &Attribute { name: "on_resume", scope: "Resuming", own: &["deleted", "resync"], plain: false },
        attribute,
        item,
    )
}

#[proc_macro_attribute]
pub fn on_field(attribute: TokenStream, item: TokenStream) -> TokenStream {
    handler(
        &Attribute { name: "on_field", scope: "FieldChange", own: &["old", "new"], plain: false },
        attribute,
        item,
    )
}

#[proc_macro_attribute]
pub fn on_event(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let own = &["category", "group", "kinds"];
    handler(&Attribute { name: "on_event", scope: "WatchEvent", own, plain: false }, attribute, item)
}

#[proc_macro_attribute]
pub fn watches(attribute: TokenStream, item: TokenStream) -> TokenStream {
    handler(&Attribute { name: "watches", scope: "Related", own: &["maps_to"], plain: true }, attribute, item)
}

#[proc_macro_attribute]
pub fn timer(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let own = &["interval", "initial_delay", "idle", "sharp"];
    handler(&Attribute { name: "timer", scope: "Timer", own, plain: false }, attribute, item)
}

#[proc_macro_attribute]
pub fn index(attribute: TokenStream, item: TokenStream) -> TokenStream {
    handler(&Attribute { name: "index", scope: "Indexing", own: &["errors"], plain: true }, attribute, item)
}

#[proc_macro_attribute]
pub fn daemon(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let own = &["initial_delay", "cancellation_backoff", "cancellation_timeout", "finalizer"];
    handler(&Attribute { name: "daemon", scope: "Daemon", own, plain: false }, attribute, item)
}

#[proc_macro_attribute]
pub fn on_startup(attribute: TokenStream, item: TokenStream) -> TokenStream {
    activity(&Attribute { name: "on_startup", scope: "Startup", own: &[], plain: false }, attribute, item)
}

#[proc_macro_attribute]
pub fn on_cleanup(attribute: TokenStream, item: TokenStream) -> TokenStream {
    activity(&Attribute { name: "on_cleanup", scope: "Cleanup", own: &[], plain: false }, attribute, item)
}

#[proc_macro_attribute]
pub fn on_login(attribute: TokenStream, item: TokenStream) -> TokenStream {
    activity(&Attribute { name: "on_login", scope: "Login", own: &[], plain: false }, attribute, item)
}

#[proc_macro_attribute]
pub fn on_probe(attribute: TokenStream, item: TokenStream) -> TokenStream {
    activity(&Attribute { name: "on_probe", scope: "Probe", own: &[], plain: false }, attribute, item)
}

#[proc_macro_attribute]
pub fn needs(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let item = Tokens::from(item);
    let registration =
        needs::registration(attribute.into(), &item).unwrap_or_else(syn::Error::into_compile_error);
    quote!(#item #registration).into()
}

fn activity(attribute: &Attribute, tokens: TokenStream, item: TokenStream) -> TokenStream {
    let item = Tokens::from(item);
    let registration = arguments::parse_activity(attribute, tokens.into())
        .and_then(|options| {
            Ok(expand::activity(attribute, &options, &function::parse(attribute, item.clone())?))
        })
        .unwrap_or_else(syn::Error::into_compile_error);
    // The function stays as it was even when the attribute is wrong: one mistake, one error.
    quote!(#item #registration).into()
}

fn handler(attribute: &Attribute, tokens: TokenStream, item: TokenStream) -> TokenStream {
    let item = Tokens::from(item);
    let registration = arguments::parse(attribute, tokens.into())
        .and_then(|arguments| {
            Ok(expand::registration(attribute, &arguments, &function::parse(attribute, item.clone())?))
        })
        .unwrap_or_else(syn::Error::into_compile_error);
    // The function stays as it was even when the attribute is wrong: one mistake, one error.
    quote!(#item #registration).into()
}
