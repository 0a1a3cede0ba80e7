//! The attributes of korf. Use them from there: `#[korf::on_create(Kind)]`.

mod arguments;
mod expand;
mod function;
mod options;

use arguments::Attribute;
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
/// | `param = …` | what the handler takes as its `Param<_>` | there is none |
/// | `retries = 5` | the most attempts | no limit |
/// | `timeout = Duration` | from the start of the first attempt; a running one is interrupted | no limit |
/// | `backoff = Duration` or `Backoff` | the delay after an error that names none | growing from 1 s to 60 s |
/// | `errors = temporary` | what an error means that is neither temporary nor permanent: `temporary`, `permanent` or `ignored` | `temporary` |
///
/// Filters say which objects the handler is for; all of them must hold:
///
/// | Filter | Only objects |
/// |---|---|
/// | `labels = {"app": "web", "tier": present}` | with such labels |
/// | `annotations = {"example.com/note": absent}` | with such annotations |
/// | `field = "spec.size"` | that have this field; it is appended to the id: `create/spec.size` |
/// | `value = 5` | whose field is so |
/// | `when = condition` | for which a `Fn(&Facts) -> bool` or a `When` says so; it is asked last |
///
/// A value is an expression, or `present`, or `absent`, or a closure: `|size| size != "small"`, which gets a
/// `&serde_json::Value` (null where there is none). A field whose keys have dots is a list:
/// `field = ["metadata", "labels", "example.com/x"]`. Objects that no handler is for are left as they are.
///
/// The arguments are whatever implements `korf::FromCall`, in any order. The function stays as it is: tests call it.
///
/// # Several attributes
///
/// One function can have several of them. Those of different names may share an id: that is one handler then, and
/// called once where several of them apply. Those of one name need different ids:
///
/// ```ignore
/// #[korf::on_create(DatabaseTable)]
/// #[korf::on_resume(DatabaseTable)]
/// async fn connect(table: Object<DatabaseTable>) -> Result {
///     Ok(())
/// }
///
/// #[korf::on_update(DatabaseTable, id = "grown", field = "spec.size", param = "S")]
/// #[korf::on_update(DatabaseTable, id = "moved", field = "spec.place", param = "P")]
/// async fn changed(param: Param<&'static str>) -> Result {
///     Ok(())
/// }
/// ```
#[proc_macro_attribute]
pub fn on_create(attribute: TokenStream, item: TokenStream) -> TokenStream {
    handler(&Attribute { name: "on_create", scope: "Creation", own: &[] }, attribute, item)
}

/// Calls the `async fn` for every object of the kind that has changed since it was handled.
///
/// Options and arguments are those of [`macro@on_create`], and `Old<_>` and `OldObject<_>`. With `field = …`, it is
/// called for changes of that field alone; `old = …` and `new = …` say what it has to have been and to be.
#[proc_macro_attribute]
pub fn on_update(attribute: TokenStream, item: TokenStream) -> TokenStream {
    handler(&Attribute { name: "on_update", scope: "Update", own: &["old", "new"] }, attribute, item)
}

/// Calls the `async fn` for every object of the kind that is being deleted; it goes when the function succeeds.
///
/// Options and arguments are those of [`macro@on_create`], and:
///
/// | Option | Meaning |
/// |---|---|
/// | `optional` | the object isn't held back for this handler: it is called if something else holds the object back |
/// | `let_go` | the object goes even if the handler has failed for good; otherwise it is kept, until it is changed or the operator is restarted, and the handler is tried again |
#[proc_macro_attribute]
pub fn on_delete(attribute: TokenStream, item: TokenStream) -> TokenStream {
    handler(
        &Attribute { name: "on_delete", scope: "Deletion", own: &["optional", "let_go"] },
        attribute,
        item,
    )
}

/// Calls the `async fn` once after each start of the operator for every object of the kind that was handled before:
/// for connections, tasks and whatever else of an object lives in the operator's memory.
///
/// An object that was changed while the operator was away is updated and resumed at once; one that is being deleted
/// is not resumed, unless the attribute says `deleted`. Options and arguments are those of [`macro@on_create`].
///
/// ```ignore
/// #[korf::on_create(DatabaseTable)]
/// #[korf::on_resume(DatabaseTable)]
/// async fn connect(table: Object<DatabaseTable>) -> Result {
///     Ok(())
/// }
/// ```
#[proc_macro_attribute]
pub fn on_resume(attribute: TokenStream, item: TokenStream) -> TokenStream {
    handler(&Attribute { name: "on_resume", scope: "Resuming", own: &["deleted"] }, attribute, item)
}

/// Calls the `async fn` when one field of an object of the kind has changed since it was handled, for whatever reason:
/// also when an object with that field is created.
///
/// ```ignore
/// #[korf::on_field(DatabaseTable, field = "spec.size")]
/// async fn resize(old: Old<Option<u32>>, new: New<Option<u32>>) -> Result {
///     Ok(())
/// }
/// ```
///
/// The handler's id is `resize/spec.size`. Options and arguments are those of [`macro@on_create`], and:
///
/// | Option | Only where |
/// |---|---|
/// | `old = …` | the field was so before |
/// | `new = …` | the field is so now |
#[proc_macro_attribute]
pub fn on_field(attribute: TokenStream, item: TokenStream) -> TokenStream {
    handler(&Attribute { name: "on_field", scope: "FieldChange", own: &["old", "new"] }, attribute, item)
}

/// Calls the `async fn` for everything that the watch says of objects of the kind: the listing at the start, additions,
/// changes of any part, the operator's own writes too, and deletions. `EventType` says which.
///
/// It is called once, whatever comes of it: errors are logged. The options are `id`, `param`, `timeout` and the filters
/// of [`macro@on_create`]. What it returns or patches is written only if it changes something, and handlers of raw events
/// are not called for that, nor for what the framework keeps of it on the object.
///
/// Of an object that went while the watch was down, only the name, the namespace, the uid and the labels are known: filters
/// by annotations, fields and `when` find nothing else of it, either.
///
/// Who writes something new at each call is called without end where somebody answers each of these writes with another
/// one: a second operator of that kind, or handlers of changes that write something new themselves.
#[proc_macro_attribute]
pub fn on_event(attribute: TokenStream, item: TokenStream) -> TokenStream {
    handler(&Attribute { name: "on_event", scope: "RawEvent", own: &[] }, attribute, item)
}

fn handler(attribute: &Attribute, tokens: TokenStream, item: TokenStream) -> TokenStream {
    let item = Tokens::from(item);
    let registration = arguments::parse(attribute, tokens.into())
        .and_then(|arguments| {
            Ok(expand::registration(attribute, &arguments, &function::parse(item.clone())?))
        })
        .unwrap_or_else(syn::Error::into_compile_error);
    // The function stays as it was even when the attribute is wrong: one mistake, one error.
    quote!(#item #registration).into()
}
