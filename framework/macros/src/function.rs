//! Parsing of the function under an attribute: only its signature matters.

use proc_macro2::TokenStream;
use syn::{
    Attribute, Error, FnArg, Ident, Result, ReturnType, Signature, Type, Visibility,
    parse::{ParseStream, Parser},
    spanned::Spanned,
};

/// A function's signature, as far as its registration needs it.
pub struct Function {
    /// `#[cfg(…)]`: a function that isn't there can't be registered.
    pub conditions: Vec<Attribute>,
    pub name: Ident,
    pub arguments: Vec<Type>,
    pub output: ReturnType,
}

pub fn parse(item: TokenStream) -> Result<Function> {
    Parser::parse2(function, item)
}

fn function(input: ParseStream) -> Result<Function> {
    let mut conditions = input.call(Attribute::parse_outer)?;
    conditions.retain(|attribute| attribute.path().is_ident("cfg"));
    input.parse::<Visibility>()?;
    let signature: Signature =
        input.parse().map_err(|error| Error::new(error.span(), "a handler is an `async fn`"))?;
    // The body stays unparsed: while it is being written, it needn't even be Rust.
    input.parse::<TokenStream>()?;
    if signature.asyncness.is_none() {
        return Err(Error::new(signature.fn_token.span, "a handler is an `async fn`"));
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
