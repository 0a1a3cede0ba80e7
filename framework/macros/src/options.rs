//! Parsing of options, and the calls of the builder that they become.

use crate::entries;
use korf_core::filter::check_field;
use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote_spanned};
use syn::{Error, Expr, ExprLit, Ident, Lit, Result, Token, Type, parse::ParseStream, spanned::Spanned};

/// Options without a value.
const FLAGS: [&str; 5] = ["optional", "release_on_failure", "deleted", "sharp", "finalizer"];
/// Options that are durations, or may be.
const DURATIONS: [&str; 8] = [
    "interval",
    "initial_delay",
    "idle",
    "timeout",
    "backoff",
    "cancellation_backoff",
    "cancellation_timeout",
    "resync",
];
/// Those that can't be zero.
const INTERVALS: [&str; 2] = ["interval", "resync"];
const ERRORS: [&str; 3] = ["ignored", "temporary", "permanent"];

/// One option.
pub struct Choice {
    pub name: Ident,
    /// Calls of the builder's methods; of `maps_to`, the type.
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
    if input.peek(Token![:]) {
        return Err(input.error(format!("an option has an equals sign: `{name} = …`")));
    }
    input.parse::<Token![=]>()?;
    let calls = match word.as_str() {
        // Its name is no call: it is part of the handler's types.
        "maps_to" => input.parse::<Type>()?.to_token_stream(),
        "labels" => entries::labels(&name, input)?,
        "annotations" => entries::annotations(&name, input)?,
        _ => value(&name, &word, input)?,
    };
    Ok(Choice { name, calls })
}

fn value(name: &Ident, word: &str, input: ParseStream) -> Result<TokenStream> {
    let value: Expr = input.parse()?;
    let tokens = match word {
        "id" => id(&value)?,
        "field" => field(&value)?,
        "errors" => errors(&value)?,
        "value" | "old" | "new" => wanted(&value),
        _ if DURATIONS.contains(&word) => duration(&value, INTERVALS.contains(&word))?,
        _ => value.to_token_stream(),
    };
    Ok(quote_spanned!(value.span()=> .#name(#tokens)))
}

/// A condition on a value: `present`, `absent`, a test, or an expression that becomes a `korf::filter::Match`.
pub fn wanted(value: &Expr) -> TokenStream {
    let span = value.span();
    match (word(value).as_deref(), value) {
        (Some("present"), _) => quote_spanned!(span=> ::korf::filter::Match::Present),
        (Some("absent"), _) => quote_spanned!(span=> ::korf::filter::Match::Absent),
        (_, Expr::Closure(_)) => quote_spanned!(span=> ::korf::filter::Match::passes(#value)),
        _ => value.to_token_stream(),
    }
}

/// A number with a unit, or any expression.
fn duration(value: &Expr, is_interval: bool) -> Result<TokenStream> {
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
    if is_interval && millis < 0.5 {
        return Err(Error::new(span, "an interval of zero would be always: at least `1ms`"));
    }
    // Beyond half a million years, the number is no longer exact.
    let millis = millis.round().clamp(0.0, 2f64.powi(53)) as u64;
    Ok(quote_spanned!(span=> ::core::time::Duration::from_millis(#millis)))
}

/// The value, if it is a single word.
pub fn word(value: &Expr) -> Option<String> {
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

/// A literal, or a list of them, is checked here, another expression when the operator starts.
fn field(value: &Expr) -> Result<TokenStream> {
    let text = |value: &Expr| match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    };
    let wrong = |why| Error::new(value.span(), why);
    if is_unquoted(value) {
        return Err(wrong("quote the field: `field = \"spec.size\"`".to_owned()));
    }
    if let Some(text) = text(value) {
        if text.contains('[') {
            return Err(wrong(
                "a field can't be an item of a list: name the list, and look at its items".to_owned(),
            ));
        }
        check_field(&text.as_str().into()).map_err(wrong)?;
    } else if let Expr::Array(keys) = value {
        let keys: Option<Vec<_>> = keys.elems.iter().map(text).collect();
        keys.map_or(Ok(()), |keys| check_field(&keys.into_iter().collect())).map_err(wrong)?;
    }
    Ok(value.to_token_stream())
}

/// Whether it is `spec.size`, and no constant.
fn is_unquoted(value: &Expr) -> bool {
    match value {
        Expr::Field(field) => is_unquoted(&field.base),
        _ => word(value).is_some_and(|word| word.starts_with(char::is_lowercase)),
    }
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
