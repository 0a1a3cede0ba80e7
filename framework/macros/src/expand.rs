//! The registration that stands beside the function.

use crate::{
    arguments::{Arguments, Attribute},
    function::Function,
};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{ReturnType, Type, ext::IdentExt, spanned::Spanned};

pub fn registration(attribute: &Attribute, arguments: &Arguments, function: &Function) -> TokenStream {
    let Function { conditions, name, .. } = function;
    let kind = &arguments.kind;
    let on = Ident::new(attribute.name, Span::call_site());
    let id = name.unraw().to_string();
    let scope = scope_type(attribute.scope, kind);
    // `on_field` takes its field at once; what it is stands in the options.
    let field = (attribute.name == "on_field").then(|| quote!(, ""));
    let options = arguments.options.iter().map(|option| &option.calls);
    let results = results(kind, function);
    // Each argument is extracted under its own span, so that the compiler points there. The names are such that no
    // handler has them: it would be hidden by them.
    let types = &function.arguments;
    let needs = types.iter().map(|ty| quote_spanned!(ty.span()=> .needs::<#ty>()));
    let values = types.iter().map(|ty| quote_spanned!(ty.span()=> __korf_call.argument::<#scope, #ty>()?));
    let reply = quote_spanned!(returned(function)=> ::korf::__private::reply::<#kind, _>(__korf_output));
    quote! {
        #(#conditions)*
        ::korf::__private::submit! {
            ::korf::Registration(|| {
                #[allow(unused_imports, reason = "kinds with definitions and functions with results don't need them")]
                use ::korf::__private::{NoDefinition as _, NoOutput as _};
                let __korf_definition = ::korf::__private::Definitions::<#kind>(::core::marker::PhantomData).find();
                ::korf::#on::<#kind>(#id #field)
                    .site((::core::file!(), ::core::line!(), ::core::column!()))
                    .definition_if_any(__korf_definition)
                    #results
                    #(#options)*
                    #(#needs)*
                    .call(|__korf_call| async move { let __korf_output = #name(#(#values),*).await; #reply })
            })
        }
    }
}

fn scope_type(scope: &str, kind: &impl ToTokens) -> TokenStream {
    let scope = Ident::new(scope, Span::call_site());
    quote!(::korf::#scope<#kind>)
}

/// Where the function's results go. What is wrong with them, another place says.
fn results(kind: &Type, function: &Function) -> Option<TokenStream> {
    match &function.output {
        ReturnType::Type(_, ty) if !matches!(**ty, Type::ImplTrait(_)) => Some(quote! {
            .returns(::korf::__private::Returned::<#kind, #ty>(::core::marker::PhantomData).find())
        }),
        _ => None,
    }
}

/// Where the compiler points when the function returns something else.
fn returned(function: &Function) -> Span {
    match &function.output {
        ReturnType::Type(_, ty) => ty.span(),
        ReturnType::Default => function.name.span(),
    }
}
