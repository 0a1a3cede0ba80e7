//! The registration that stands beside the function.

use crate::{arguments::Arguments, function::Function};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{ReturnType, ext::IdentExt, spanned::Spanned};

pub fn registration(on: &str, scope: &str, arguments: &Arguments, function: &Function) -> TokenStream {
    let Function { conditions, name, .. } = function;
    let kind = &arguments.kind;
    let on = Ident::new(on, Span::call_site());
    let id = name.unraw().to_string();
    let options = arguments.options.iter().map(|option| {
        let (name, value) = (&option.name, &option.value);
        quote_spanned!(value.span()=> .#name(#value))
    });
    let scope = scope_type(scope, kind);
    // Each argument is extracted under its own span, so that the compiler points there.
    let types = &function.arguments;
    let needs = types.iter().map(|ty| quote_spanned!(ty.span()=> .needs::<#ty>()));
    let values = types.iter().map(|ty| quote_spanned!(ty.span()=> call.argument::<#scope, #ty>()?));
    let reply = quote_spanned!(returned(function)=> ::korf::__private::reply::<#kind, _>(output));
    quote! {
        #(#conditions)*
        ::korf::__private::submit! {
            ::korf::Registration(|| {
                #[allow(unused_imports, reason = "a kind that has a definition doesn't need it")]
                use ::korf::__private::NoDefinition as _;
                let definition = ::korf::__private::Definitions::<#kind>(::core::marker::PhantomData).find();
                ::korf::#on::<#kind>(#id)
                    .site((::core::file!(), ::core::line!(), ::core::column!()))
                    .definition_if_any(definition)
                    #(#options)*
                    #(#needs)*
                    .call(|call| async move { let output = #name(#(#values),*).await; #reply })
            })
        }
    }
}

fn scope_type(scope: &str, kind: &impl ToTokens) -> TokenStream {
    let scope = Ident::new(scope, Span::call_site());
    quote!(::korf::#scope<#kind>)
}

/// Where the compiler points when the function returns something else.
fn returned(function: &Function) -> Span {
    match &function.output {
        ReturnType::Type(_, ty) => ty.span(),
        ReturnType::Default => function.name.span(),
    }
}
