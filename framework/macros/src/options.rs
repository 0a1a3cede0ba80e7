//! Parsing of options, and the calls of the builder that they become.

use korf_core::filter::selector;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{
    Error, Expr, ExprLit, Ident, Lit, LitStr, Result, Token, braced,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
    spanned::Spanned,
    token::Brace,
};

/// Options without a value.
const FLAGS: [&str; 4] = ["optional", "release_on_failure", "deleted", "sharp"];
/// Options that are durations, or may be.
const DURATIONS: [&str; 5] = ["interval", "initial_delay", "idle", "timeout", "backoff"];
const ERRORS: [&str; 3] = ["ignored", "temporary", "permanent"];

/// One option.
pub struct Choice {
    pub name: Ident,
    /// Calls of the builder's methods.
    pub calls: TokenStream,
}

pub fn parse(name: Ident, input: ParseStream) -> Result<Choice> {
    let word = name.to_string();
    if FLAGS.contains(&word.as_str()) {
        if input.peek(Token![=]) {
            return Err(input.error(format!("`{name}` takes no value")));
        }
        let calls = quote_spanned!(name.span()=> .#name());
        return Ok(Choice { name, calls });
    }
    input.parse::<Token![=]>()?;
    let calls = match word.as_str() {
        "labels" if input.peek(Brace) => entries(&name, "label", input)?,
        "labels" => labels(&name, input)?,
        "annotations" => entries(&name, "annotation", input)?,
        _ => value(&name, &word, input)?,
    };
    Ok(Choice { name, calls })
}

fn value(name: &Ident, word: &str, input: ParseStream) -> Result<TokenStream> {
    let value: Expr = input.parse()?;
    let tokens = match word {
        "id" => id(&value)?,
        "errors" => errors(&value)?,
        "value" | "old" | "new" => wanted(&value),
        _ if DURATIONS.contains(&word) => duration(&value)?,
        _ => value.to_token_stream(),
    };
    Ok(quote_spanned!(value.span()=> .#name(#tokens)))
}

/// `"app=web,tier,!legacy"`: a literal is checked here, another expression when the operator starts.
fn labels(name: &Ident, input: ParseStream) -> Result<TokenStream> {
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

/// `{"app": "web", "tier": present}`
fn entries(name: &Ident, method: &str, input: ParseStream) -> Result<TokenStream> {
    if !input.peek(Brace) {
        let message =
            format!("`{name}` are keys with values: `{name} = {{\"app\": \"web\", \"tier\": present}}`");
        return Err(input.error(message));
    }
    let inner;
    braced!(inner in input);
    let entries = Punctuated::<Entry, Token![,]>::parse_terminated(&inner)?;
    let method = Ident::new(method, Span::call_site());
    let calls =
        entries.iter().map(|Entry { key, wanted }| quote_spanned!(key.span()=> .#method(#key, #wanted)));
    Ok(quote!(#(#calls)*))
}

struct Entry {
    key: TokenStream,
    wanted: TokenStream,
}

impl Parse for Entry {
    fn parse(input: ParseStream) -> Result<Self> {
        let key = if input.peek(LitStr) {
            input.parse::<LitStr>()?.to_token_stream()
        } else if input.peek(Ident) {
            input.parse::<syn::Path>()?.to_token_stream()
        } else {
            return Err(input.error("a key must be a string or a constant"));
        };
        if input.peek(Token![=]) {
            return Err(input.error("expected `:` between key and value: `\"app\": \"web\"`"));
        }
        input.parse::<Token![:]>()?;
        Ok(Self { key, wanted: wanted(&input.parse()?) })
    }
}

/// A condition on a value: `present`, `absent`, a test, or an expression that becomes a `korf::filter::Match`.
fn wanted(value: &Expr) -> TokenStream {
    let span = value.span();
    match (word(value).as_deref(), value) {
        (Some("present"), _) => quote_spanned!(span=> ::korf::filter::Match::Present),
        (Some("absent"), _) => quote_spanned!(span=> ::korf::filter::Match::Absent),
        (_, Expr::Closure(_)) => quote_spanned!(span=> ::korf::filter::Match::passes(#value)),
        _ => value.to_token_stream(),
    }
}

/// A number with a unit, or any expression.
fn duration(value: &Expr) -> Result<TokenStream> {
    let Expr::Lit(literal) = value else { return Ok(value.to_token_stream()) };
    let (digits, unit) = match &literal.lit {
        Lit::Int(number) => (number.base10_digits(), number.suffix()),
        Lit::Float(number) => (number.base10_digits(), number.suffix()),
        // A text or the like: it is no duration, whatever it contains.
        _ => ("", ""),
    };
    let span = value.span();
    let factor = match unit {
        "ms" => 1.0,
        "s" => 1000.0,
        "m" => 60_000.0,
        "h" => 3_600_000.0,
        _ => return Err(Error::new(span, "a duration has a unit, `ms`, `s`, `m` or `h`: `30s`")),
    };
    let millis = digits.parse::<f64>().map_err(|error| Error::new(span, error))? * factor;
    // Beyond half a million years, the number is no longer exact.
    let millis = millis.round().clamp(0.0, 2f64.powi(53)) as u64;
    Ok(quote_spanned!(span=> ::core::time::Duration::from_millis(#millis)))
}

fn word(value: &Expr) -> Option<String> {
    match value {
        Expr::Path(path) => path.path.get_ident().map(Ident::to_string),
        _ => None,
    }
}

/// Constants and `concat!` are welcome; a literal can be checked here.
fn id(value: &Expr) -> Result<TokenStream> {
    if let Expr::Lit(literal) = value {
        match &literal.lit {
            Lit::Str(text) if text.value().is_empty() => {
                return Err(Error::new(text.span(), "the id must not be empty"));
            }
            Lit::Str(_) => {}
            other => return Err(Error::new(other.span(), "the id must be a string: `id = \"…\"`")),
        }
    }
    Ok(value.to_token_stream())
}

/// One of the three words, or any expression of the type `korf::handler::OnError`.
fn errors(value: &Expr) -> Result<TokenStream> {
    let span = value.span();
    match word(value) {
        Some(word) if ERRORS.contains(&word.as_str()) => {
            let variant = format_ident!("{}{}", word[..1].to_uppercase(), &word[1..], span = span);
            Ok(quote_spanned!(span=> ::korf::handler::OnError::#variant))
        }
        Some(word) if word.starts_with(char::is_lowercase) => {
            Err(Error::new(span, format!("`errors` is one of: {}", ERRORS.join(", "))))
        }
        _ => Ok(value.to_token_stream()),
    }
}
