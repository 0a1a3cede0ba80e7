//! The attributes of korf. Use them from there: `#[korf::on_create(Kind)]`.

mod arguments;
mod expand;
mod function;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;

/// Calls the `async fn` for every object of the kind that nothing has handled yet.
///
/// ```ignore
/// #[korf::on_create(DatabaseTable, retries = 5, backoff = Duration::from_secs(10))]
/// async fn create(table: Object<DatabaseTable>, pool: State<Pool>) -> Result {
///     pool.create(&table.spec).await?;
///     Ok(())
/// }
/// ```
///
/// The kind comes first: a type with `#[derive(CustomResource)]`, or one of `k8s_openapi`'s. Then options, in any order:
///
/// | Option | Meaning | Without it |
/// |---|---|---|
/// | `id = "…"` | names the handler in logs and in progress records | the function's name |
/// | `retries = 5` | the most attempts | no limit |
/// | `timeout = Duration` | from the start of the first attempt to that of the last | no limit |
/// | `backoff = Duration` or `Backoff` | the delay after an error that names none | growing from 1 s to 60 s |
/// | `errors = temporary` | what an error means that is neither temporary nor permanent: `temporary`, `permanent` or `ignored` | `temporary` |
///
/// The arguments are whatever implements `korf::FromCall`, in any order. The function stays as it is: tests call it.
#[proc_macro_attribute]
pub fn on_create(attribute: TokenStream, item: TokenStream) -> TokenStream {
    handler("on_create", "Creation", attribute, item)
}

/// Calls the `async fn` for every object of the kind that has changed since it was handled.
///
/// Options and arguments are those of `on_create`, and `Old<_>` and `OldObject<_>`.
#[proc_macro_attribute]
pub fn on_update(attribute: TokenStream, item: TokenStream) -> TokenStream {
    handler("on_update", "Update", attribute, item)
}

/// Calls the `async fn` for every object of the kind that is being deleted; it goes when the function succeeds.
///
/// Options and arguments are those of `on_create`.
#[proc_macro_attribute]
pub fn on_delete(attribute: TokenStream, item: TokenStream) -> TokenStream {
    handler("on_delete", "Deletion", attribute, item)
}

fn handler(name: &str, scope: &str, attribute: TokenStream, item: TokenStream) -> TokenStream {
    let item = Tokens::from(item);
    let registration = arguments::parse(name, attribute.into())
        .and_then(|arguments| {
            Ok(expand::registration(name, scope, &arguments, &function::parse(item.clone())?))
        })
        .unwrap_or_else(syn::Error::into_compile_error);
    // The function stays as it was even when the attribute is wrong: one mistake, one error.
    quote!(#item #registration).into()
}
