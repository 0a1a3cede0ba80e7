//! Attribute `needs`: a permission, declared beside a function.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{
    Attribute, Error, Ident, LitStr, Result, Token, Type,
    parse::{ParseStream, Parser},
};

const VERBS: [&str; 8] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
/// Options with a value.
const OPTIONS: [&str; 4] = ["name", "subresource", "namespace", "operator"];

/// The kind, its verbs, and calls of the methods of `Need`.
struct Needs {
    kind: Type,
    verbs: Vec<String>,
    options: Vec<TokenStream>,
}

/// The registration of a permission.
pub fn registration(attribute: TokenStream, item: &TokenStream) -> Result<TokenStream> {
    let Needs { kind, verbs, options } = Parser::parse2(needs, attribute)?;
    let conditions = conditions(item);
    Ok(quote! {
        #(#conditions)*
        ::korf::__private::submit! {
            ::korf::__private::Registration(|| {
                ::korf::handler::Need::of::<#kind>([#(#verbs),*])
                    .location(::core::file!(), ::core::line!(), ::core::column!())
                    #(#options)*
                    .into()
            })
        }
    })
}

fn needs(input: ParseStream) -> Result<Needs> {
    if input.is_empty() {
        return Err(Error::new(Span::call_site(), "missing kind: write `#[korf::needs(Kind, get)]`"));
    }
    if input.peek(Ident) && input.peek2(Token![=]) {
        return Err(input.error("the kind comes first, then the verbs, then the options"));
    }
    let mut needs = Needs { kind: input.parse()?, verbs: Vec::new(), options: Vec::new() };
    while !input.is_empty() {
        input.parse::<Token![,]>()?;
        if input.is_empty() {
            break;
        }
        let name: Ident = input.parse()?;
        let word = name.to_string();
        if word == "everywhere" {
            needs.options.push(quote_spanned!(name.span()=> .everywhere()));
        } else if OPTIONS.contains(&word.as_str()) {
            input.parse::<Token![=]>()?;
            let method = if word == "name" { Ident::new("named", name.span()) } else { name };
            let value: LitStr = input.parse()?;
            needs.options.push(quote_spanned!(value.span()=> .#method(#value)));
        } else if VERBS.contains(&word.as_str()) {
            needs.verbs.push(word);
        } else {
            let message = format!(
                "`{name}` is neither a verb ({}) nor an option ({}, everywhere)",
                VERBS.join(", "),
                OPTIONS.join(", ")
            );
            return Err(Error::new(name.span(), message));
        }
    }
    if needs.verbs.is_empty() {
        return Err(Error::new(Span::call_site(), "missing verbs: write `#[korf::needs(Kind, get)]`"));
    }
    Ok(needs)
}

/// `#[cfg(…)]` of the item: what isn't there needs nothing.
fn conditions(item: &TokenStream) -> Vec<Attribute> {
    let parse = |input: ParseStream| {
        let attributes = input.call(Attribute::parse_outer)?;
        input.parse::<TokenStream>()?;
        Ok(attributes)
    };
    let attributes = Parser::parse2(parse, item.clone()).unwrap_or_default();
    attributes.into_iter().filter(|attribute| attribute.path().is_ident("cfg")).collect()
}
