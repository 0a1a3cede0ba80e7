//! What stands in the attribute's parentheses: the kind, then options.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::{
    Error, Expr, Ident, Lit, Result, Token, Type,
    parse::{Parse, ParseStream, Parser},
    spanned::Spanned,
};

const OPTIONS: [&str; 5] = ["id", "retries", "backoff", "timeout", "errors"];
const ERRORS: [&str; 3] = ["ignored", "temporary", "permanent"];

/// The kind and the options of one attribute.
pub struct Arguments {
    pub kind: Type,
    pub options: Vec<Choice>,
}

/// One option and its value.
pub struct Choice {
    pub name: Ident,
    pub value: TokenStream,
}

pub fn parse(attribute: &str, tokens: TokenStream) -> Result<Arguments> {
    if tokens.is_empty() {
        let message = format!("of which kind? write `#[korf::{attribute}(Kind)]`");
        return Err(Error::new(Span::call_site(), message));
    }
    Parser::parse2(arguments, tokens)
}

fn arguments(input: ParseStream) -> Result<Arguments> {
    if input.peek(Ident) && input.peek2(Token![=]) {
        return Err(input.error("the kind comes first, then the options"));
    }
    let kind = input.parse()?;
    let mut options = Vec::<Choice>::new();
    while !input.is_empty() {
        input.parse::<Token![,]>()?;
        if input.is_empty() {
            break;
        }
        let option: Choice = input.parse()?;
        if options.iter().any(|other| other.name == option.name) {
            return Err(Error::new(option.name.span(), format!("`{}` is given twice", option.name)));
        }
        options.push(option);
    }
    Ok(Arguments { kind, options })
}

impl Parse for Choice {
    fn parse(input: ParseStream) -> Result<Self> {
        let name: Ident = input.parse()?;
        if !OPTIONS.iter().any(|option| name == option) {
            let message = format!("unknown option `{name}`; known: {}", OPTIONS.join(", "));
            return Err(Error::new(name.span(), message));
        }
        input.parse::<Token![=]>()?;
        let value: Expr = input.parse()?;
        let value = match name.to_string().as_str() {
            "id" => id(&value)?,
            "errors" => errors(&value)?,
            _ => quote_spanned!(value.span()=> #value),
        };
        Ok(Self { name, value })
    }
}

/// Constants and `concat!` are welcome; a literal can be checked here.
fn id(value: &Expr) -> Result<TokenStream> {
    if let Expr::Lit(literal) = value {
        match &literal.lit {
            Lit::Str(text) if text.value().is_empty() => {
                return Err(Error::new(text.span(), "an id is not empty"));
            }
            Lit::Str(_) => {}
            other => return Err(Error::new(other.span(), "an id is a text: `id = \"…\"`")),
        }
    }
    Ok(quote_spanned!(value.span()=> #value))
}

/// One of the three words, or any expression of the type `korf::Errors`.
fn errors(value: &Expr) -> Result<TokenStream> {
    let word = match value {
        Expr::Path(path) => path.path.get_ident().map(Ident::to_string),
        _ => None,
    };
    let span = value.span();
    match word {
        Some(word) if ERRORS.contains(&word.as_str()) => {
            let variant = format_ident!("{}{}", word[..1].to_uppercase(), &word[1..], span = span);
            Ok(quote_spanned!(span=> ::korf::Errors::#variant))
        }
        Some(word) if word.starts_with(char::is_lowercase) => {
            Err(Error::new(span, format!("`errors` is one of: {}", ERRORS.join(", "))))
        }
        _ => Ok(quote_spanned!(span=> #value)),
    }
}
