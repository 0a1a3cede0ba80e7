//! Options: what each of them is written like, and the calls of the builder that it becomes.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{
    Error, Expr, Ident, Lit, LitStr, Result, Token, braced,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
    spanned::Spanned,
    token::Brace,
};

/// Options without a value.
const FLAGS: [&str; 3] = ["optional", "let_go", "deleted"];
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
            return Err(input.error(format!("`{name}` has no value: leave the rest out")));
        }
        let calls = quote_spanned!(name.span()=> .#name());
        return Ok(Choice { name, calls });
    }
    input.parse::<Token![=]>()?;
    let calls = match word.as_str() {
        "labels" => entries(&name, "label", input)?,
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
        "when" => condition(&value),
        _ => value.to_token_stream(),
    };
    Ok(quote_spanned!(value.span()=> .#name(#tokens)))
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
            return Err(input.error("a key is a text, or a constant"));
        };
        if input.peek(Token![=]) {
            return Err(input.error("a colon stands between key and value: `\"app\": \"web\"`"));
        }
        input.parse::<Token![:]>()?;
        Ok(Self { key, wanted: wanted(&input.parse()?) })
    }
}

/// What a value has to be: `present`, `absent`, a test, or an expression of which a `korf::Match` can be made.
fn wanted(value: &Expr) -> TokenStream {
    let span = value.span();
    match (word(value).as_deref(), value) {
        (Some("present"), _) => quote_spanned!(span=> ::korf::Match::Present),
        (Some("absent"), _) => quote_spanned!(span=> ::korf::Match::Absent),
        (_, Expr::Closure(_)) => quote_spanned!(span=> ::korf::Match::passes(#value)),
        _ => value.to_token_stream(),
    }
}

/// A closure needs to be told what it takes.
fn condition(value: &Expr) -> TokenStream {
    match value {
        Expr::Closure(_) => quote_spanned!(value.span()=> ::korf::When::new(#value)),
        _ => value.to_token_stream(),
    }
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
                return Err(Error::new(text.span(), "an id is not empty"));
            }
            Lit::Str(_) => {}
            other => return Err(Error::new(other.span(), "an id is a text: `id = \"…\"`")),
        }
    }
    Ok(value.to_token_stream())
}

/// One of the three words, or any expression of the type `korf::Errors`.
fn errors(value: &Expr) -> Result<TokenStream> {
    let span = value.span();
    match word(value) {
        Some(word) if ERRORS.contains(&word.as_str()) => {
            let variant = format_ident!("{}{}", word[..1].to_uppercase(), &word[1..], span = span);
            Ok(quote_spanned!(span=> ::korf::Errors::#variant))
        }
        Some(word) if word.starts_with(char::is_lowercase) => {
            Err(Error::new(span, format!("`errors` is one of: {}", ERRORS.join(", "))))
        }
        _ => Ok(value.to_token_stream()),
    }
}
