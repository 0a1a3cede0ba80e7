//! Parsing of the function under an attribute: only its signature matters.

use crate::arguments::Attribute;
use proc_macro2::TokenStream;
use syn::{
    Error, FnArg, Ident, Result, ReturnType, Signature, Type, Visibility,
    parse::{ParseStream, Parser},
    spanned::Spanned,
};

/// A function's signature, as far as its registration needs it.
pub struct Function {
    /// `#[cfg(…)]`: a function that isn't there can't be registered.
    pub conditions: Vec<syn::Attribute>,
    pub name: Ident,
    pub arguments: Vec<Type>,
    pub output: ReturnType,
}

pub fn parse(attribute: &Attribute, item: TokenStream) -> Result<Function> {
    Parser::parse2(|input: ParseStream| function(attribute, input), item)
}

fn function(attribute: &Attribute, input: ParseStream) -> Result<Function> {
    let mut conditions = input.call(syn::Attribute::parse_outer)?;
    conditions.retain(|attribute| attribute.path().is_ident("cfg"));
    input.parse::<Visibility>()?;
    let expected = match attribute.name {
        name if attribute.plain => {
            format!("`#[korf::{name}]` is for a plain `fn`, which is called at once and can't wait")
        }
        _ => "a handler is an `async fn`".to_owned(),
    };
    let signature: Signature = input.parse().map_err(|error| Error::new(error.span(), &expected))?;
    // The body stays unparsed: while it is being written, it needn't even be Rust.
    input.parse::<TokenStream>()?;
    if signature.asyncness.is_some() == attribute.plain {
        let place = signature.asyncness.map_or(signature.fn_token.span, |asyncness| asyncness.span);
        return Err(Error::new(place, expected));
    }
    if !signature.generics.params.is_empty() {
        let message = "a handler has no generic parameters: korf couldn't choose them";
        return Err(Error::new(signature.generics.span(), message));
    }
    let arguments = signature.inputs.into_iter().map(argument).collect::<Result<_>>()?;
    Ok(Function { conditions, name: signature.ident, arguments, output: signature.output })
}

fn argument(argument: FnArg) -> Result<Type> {
    match argument {
        FnArg::Receiver(receiver) => {
            Err(Error::new(receiver.self_token.span, "a handler is a function of its own, not a method"))
        }
        FnArg::Typed(typed) => match *typed.ty {
            Type::ImplTrait(open) => {
                Err(Error::new(open.span(), "`impl …` could be any type; a handler's argument names one"))
            }
            named => Ok(named),
        },
    }
}
