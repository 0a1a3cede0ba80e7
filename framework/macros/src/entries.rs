//! Parsing of `labels` and `annotations`: a selector, or keys with the values that they must have.

use crate::options::{wanted, word};
use korf_core::filter::{Match, check_annotation, check_label, selector};
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{
    Error, Expr, ExprLit, Ident, Lit, LitStr, Path, Result, Token, UnOp, braced,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
    spanned::Spanned,
    token::Brace,
};

/// `"app=web,tier,!legacy"`, or `{"app": "web", "tier": present}`.
pub fn labels(name: &Ident, input: ParseStream) -> Result<TokenStream> {
    if input.peek(Brace) { entries(name, "label", check_label, input) } else { text(name, input) }
}

/// `{"example.com/note": absent}`
pub fn annotations(name: &Ident, input: ParseStream) -> Result<TokenStream> {
    entries(name, "annotation", check_annotation, input)
}

/// A literal is checked here, another expression when the operator starts.
fn text(name: &Ident, input: ParseStream) -> Result<TokenStream> {
    let value: Expr = input.parse()?;
    match &value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
            selector(&text.value()).map_err(|error| Error::new(text.span(), error))?;
        }
        Expr::Lit(_) | Expr::Tuple(_) | Expr::Array(_) => {
            let message = "`labels` is a selector, `labels = \"app=web,tier\"`, or keys with values: \
                           `labels = {\"app\": \"web\", \"tier\": present}`";
            return Err(Error::new(value.span(), message));
        }
        _ => {}
    }
    Ok(quote_spanned!(value.span()=> .#name(#value)))
}

fn entries(name: &Ident, method: &str, check: Check, input: ParseStream) -> Result<TokenStream> {
    if !input.peek(Brace) {
        let message =
            format!("`{name}` are keys with values: `{name} = {{\"app\": \"web\", \"tier\": present}}`");
        return Err(input.error(message));
    }
    let inner;
    braced!(inner in input);
    let entries = Punctuated::<Entry, Token![,]>::parse_terminated(&inner)?;
    let method = Ident::new(method, Span::call_site());
    let calls = entries.iter().map(|entry| {
        entry.check(check)?;
        let (key, wanted) = (&entry.key, wanted(&entry.value));
        Ok(quote_spanned!(key.span()=> .#method(#key, #wanted)))
    });
    calls.collect()
}

type Check = fn(&str, &Match) -> std::result::Result<(), String>;

struct Entry {
    key: Key,
    value: Expr,
}

enum Key {
    Text(LitStr),
    Constant(Path),
}

impl ToTokens for Key {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Text(text) => text.to_tokens(tokens),
            Self::Constant(path) => path.to_tokens(tokens),
        }
    }
}

impl Parse for Key {
    fn parse(input: ParseStream) -> Result<Self> {
        if input.peek(LitStr) {
            return Ok(Self::Text(input.parse()?));
        }
        let start = input.span();
        if !input.peek(Ident) {
            return Err(input.error("a key must be a string or a constant"));
        }
        let path: Path = input.parse()?;
        // The name of a constant: `mirror` is that of a label, and so is `example.com/mirror`.
        let is_constant =
            path.get_ident().is_none_or(|name| !name.to_string().starts_with(char::is_lowercase));
        if is_constant && (input.peek(Token![:]) || input.peek(Token![=])) {
            return Ok(Self::Constant(path));
        }
        Err(Error::new(start, "quote the key: `\"app\": \"web\"`"))
    }
}

impl Parse for Entry {
    fn parse(input: ParseStream) -> Result<Self> {
        let key: Key = input.parse()?;
        if input.peek(Token![=]) {
            return Err(input.error("expected `:` between key and value: `\"app\": \"web\"`"));
        }
        if !input.peek(Token![:]) {
            return Err(Error::new_spanned(
                &key,
                "a key needs a value: `\"app\": \"web\"`, or `\"app\": present`",
            ));
        }
        input.parse::<Token![:]>()?;
        Ok(Self { key, value: input.parse()? })
    }
}

impl Entry {
    /// Checks `present` and the literals; the rest is checked when the operator starts, and may hold where there is no value.
    fn check(&self, check: Check) -> Result<()> {
        let value = literal(&self.value);
        let is_there = value.is_some() || word(&self.value).is_some_and(|word| word == "present");
        let key = match &self.key {
            Key::Text(key) if is_there => {
                check(&key.value(), &Match::Present).map_err(|why| Error::new(key.span(), why))?;
                key.value()
            }
            Key::Text(key) => key.value(),
            // For the message; any valid key will do.
            Key::Constant(path) => {
                path.segments.last().map(|name| name.ident.to_string()).unwrap_or_default()
            }
        };
        match value {
            Some(value) => check(&key, &value).map_err(|why| Error::new(self.value.span(), why)),
            None => Ok(()),
        }
    }
}

/// The value of a literal.
fn literal(value: &Expr) -> Option<Match> {
    match value {
        Expr::Lit(ExprLit { lit, .. }) => match lit {
            Lit::Str(text) => Some(text.value().into()),
            Lit::Bool(truth) => Some(truth.value.into()),
            Lit::Int(number) => number.base10_parse::<i64>().ok().map(Into::into),
            Lit::Float(number) => number.base10_parse::<f64>().ok().map(Into::into),
            _ => None,
        },
        Expr::Unary(negative) if matches!(negative.op, UnOp::Neg(_)) => match &*negative.expr {
            Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => {
                number.base10_parse::<i64>().ok().map(|number| (-number).into())
            }
            _ => None,
        },
        _ => None,
    }
}
