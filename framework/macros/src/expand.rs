//! Registration of a handler: the code that an attribute adds after its function.

use crate::{
    arguments::{Arguments, Attribute},
    function::Function,
    options::Choice,
};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{GenericArgument, PathArguments, ReturnType, Type, ext::IdentExt, spanned::Spanned};

pub fn registration(attribute: &Attribute, arguments: &Arguments, function: &Function) -> TokenStream {
    let Function { conditions, name, .. } = function;
    let kind = &arguments.kind;
    let on = Ident::new(attribute.name, Span::call_site());
    let id = name.unraw().to_string();
    let target = arguments.target();
    let kinds = target.map_or_else(|| quote!(#kind), |target| quote!(#kind, #target));
    let scope = scope_type(attribute.scope, &kinds);
    // These functions take an option as an argument; its value comes with the options.
    let field = match attribute.name {
        "on_field" => Some(quote!(, "")),
        "timer" => Some(quote!(, ::core::time::Duration::ZERO)),
        _ => None,
    };
    let options =
        arguments.options.iter().filter(|option| option.name != "maps_to").map(|option| &option.calls);
    // Each argument is extracted under its own span, so that the compiler points there. The names are such that no
    // handler has them: it would be hidden by them.
    let types = &function.arguments;
    let required = types.iter().map(|ty| {
        let requires = called(ty, kind, ["requires", "requires_object"]);
        quote_spanned!(ty.span()=> .#requires::<#ty>())
    });
    let values = types.iter().map(|ty| {
        let argument = called(ty, kind, ["argument", "object_itself"]);
        quote_spanned!(ty.span()=> ::korf::__private::#argument::<#scope, #ty>(&__korf_call)?)
    });
    let call = if attribute.plain {
        let answer = match target {
            Some(target) => {
                quote_spanned!(returned(function)=> ::korf::__private::names::<#target, _>(__korf_output))
            }
            None => quote_spanned!(returned(function)=> ::korf::__private::pairs(__korf_output)),
        };
        quote!(|__korf_call| { let __korf_output = #name(#(#values),*); #answer })
    } else {
        let reply = quote_spanned!(returned(function)=> ::korf::__private::reply::<#kind, _>(__korf_output));
        // A daemon runs for long, and keeps only what it has asked for.
        quote!(|__korf_call| async move {
            let __korf_running = #name(#(#values),*);
            ::core::mem::drop(__korf_call);
            let __korf_output = __korf_running.await;
            #reply
        })
    };
    let declared = (!attribute.plain).then(|| {
        let writes = may_write(&function.output);
        quote!(.declared(#writes))
    });
    quote! {
        #(#conditions)*
        ::korf::__private::submit! {
            ::korf::__private::Registration(|| {
                #[allow(unused_imports, reason = "kinds with definitions don't need it")]
                use ::korf::__private::NoDefinition as _;
                let __korf_definition = ::korf::__private::Definitions::<#kind>(::core::marker::PhantomData).find();
                ::korf::#on::<#kinds>(#id #field)
                    .location(::core::file!(), ::core::line!(), ::core::column!())
                    .definition_if_any(__korf_definition)
                    #(#options)*
                    #(#required)*
                    #declared
                    .call(#call)
                    .into()
            })
        }
    }
}

/// Whether something may be returned that is written on the object: not where the function returns `()` or `Result`.
fn may_write(output: &ReturnType) -> bool {
    let ReturnType::Type(_, ty) = output else { return false };
    match &**ty {
        Type::Tuple(tuple) => !tuple.elems.is_empty(),
        Type::Path(path) => match path.path.segments.last() {
            Some(last) if last.ident == "Result" => match &last.arguments {
                PathArguments::None => false,
                PathArguments::AngleBracketed(arguments) => !matches!(
                    arguments.args.first(),
                    Some(GenericArgument::Type(Type::Tuple(tuple))) if tuple.elems.is_empty()
                ),
                PathArguments::Parenthesized(_) => true,
            },
            _ => true,
        },
        _ => true,
    }
}

pub fn activity(attribute: &Attribute, options: &[Choice], function: &Function) -> TokenStream {
    let Function { conditions, name, .. } = function;
    let on = Ident::new(attribute.name, Span::call_site());
    let id = name.unraw().to_string();
    let scope = Ident::new(attribute.scope, Span::call_site());
    let scope = quote!(::korf::scope::#scope);
    let options = options.iter().map(|option| &option.calls);
    let types = &function.arguments;
    let required = types.iter().map(|ty| quote_spanned!(ty.span()=> .requires::<#ty>()));
    let values = types
        .iter()
        .map(|ty| quote_spanned!(ty.span()=> ::korf::__private::argument::<#scope, #ty>(&__korf_call)?));
    let reply =
        quote_spanned!(returned(function)=> ::korf::__private::activity_reply::<#scope, _>(__korf_output));
    quote! {
        #(#conditions)*
        ::korf::__private::submit! {
            ::korf::__private::Registration(|| {
                ::korf::#on(#id)
                    .location(::core::file!(), ::core::line!(), ::core::column!())
                    #(#options)*
                    #(#required)*
                    .call(|__korf_call| async move { let __korf_output = #name(#(#values),*).await; #reply })
                    .into()
            })
        }
    }
}

/// The first of these functions; the second one for an argument that is written as the kind is, instead of
/// `Object<Kind>`: the compiler says so then.
fn called(argument: &Type, kind: &Type, [any, itself]: [&str; 2]) -> Ident {
    let is_kind = argument.to_token_stream().to_string() == kind.to_token_stream().to_string();
    Ident::new(if is_kind { itself } else { any }, argument.span())
}

fn scope_type(scope: &str, kind: &impl ToTokens) -> TokenStream {
    let scope = Ident::new(scope, Span::call_site());
    quote!(::korf::scope::#scope<#kind>)
}

/// The span that the compiler points at when the function returns something else.
fn returned(function: &Function) -> Span {
    match &function.output {
        ReturnType::Type(_, ty) => ty.span(),
        ReturnType::Default => function.name.span(),
    }
}
