//! Parsing of an attribute's arguments: the kind, then options.

use crate::options::{self, Choice};
use proc_macro2::{Span, TokenStream};
use syn::{
    Error, Ident, Lit, Result, Token, Type,
    parse::{ParseStream, Parser},
};

/// Options that all attributes have.
const COMMON: [&str; 9] =
    ["id", "param", "timeout", "operator", "labels", "annotations", "field", "value", "when"];

/// Options that all attributes of activities have.
const OF_ACTIVITIES: [&str; 4] = ["id", "param", "timeout", "operator"];

/// Options of handlers that are called until they succeed.
const OF_CHANGES: [&str; 3] = ["retries", "backoff", "errors"];

/// One of the attributes.
pub struct Attribute {
    /// Its own name, and that of the builder function.
    pub name: &'static str,
    /// The name of its `Scope`.
    pub scope: &'static str,
    /// The options that only this attribute has.
    pub own: &'static [&'static str],
    /// Its functions are plain ones, which can't wait.
    pub plain: bool,
}

impl Attribute {
    /// The options that it has.
    fn options(&self) -> impl Iterator<Item = &'static str> {
        let common = if self.is_activity() { &OF_ACTIVITIES[..] } else { &COMMON[..] };
        let is_called_once = self.plain || matches!(self.name, "on_event" | "on_probe");
        let of_changes = if is_called_once { &[] } else { &OF_CHANGES[..] };
        let all = common.iter().chain(of_changes).chain(self.own).copied();
        all.filter(|option| !self.plain || *option != "timeout")
    }

    fn is_activity(&self) -> bool {
        matches!(self.name, "on_startup" | "on_cleanup" | "on_login" | "on_probe")
    }

    fn needs_field(&self) -> bool {
        self.name == "on_field"
    }
}

/// The kind and the options of one attribute.
pub struct Arguments {
    pub kind: Type,
    pub options: Vec<Choice>,
}

impl Arguments {
    /// The kind in `maps_to`.
    pub fn target(&self) -> Option<&TokenStream> {
        self.options.iter().find(|option| option.name == "maps_to").map(|option| &option.calls)
    }
}

pub fn parse(attribute: &Attribute, tokens: TokenStream) -> Result<Arguments> {
    let name = attribute.name;
    if tokens.is_empty() {
        let field = if attribute.needs_field() { ", field = \"spec.…\"" } else { "" };
        let message = format!("missing kind: write `#[korf::{name}(Kind{field})]`");
        return Err(Error::new(Span::call_site(), message));
    }
    let parsed = Parser::parse2(|input: ParseStream| arguments(attribute, input), tokens)?;
    check_fields(attribute, &parsed)?;
    check_interval(attribute, &parsed)?;
    check_target(attribute, &parsed)?;
    Ok(parsed)
}

fn arguments(attribute: &Attribute, input: ParseStream) -> Result<Arguments> {
    if input.peek(Ident) && input.peek2(Token![=]) {
        return Err(input.error("the kind comes first, then the options"));
    }
    if input.peek(Lit) {
        let message = format!(
            "a kind is a Rust type, such as `ConfigMap`: write `#[korf::{}(ConfigMap)]`",
            attribute.name
        );
        return Err(input.error(message));
    }
    let kind = input.parse()?;
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    Ok(Arguments { kind, options: options(attribute, input)? })
}

/// The options of an activity, which has no kind.
pub fn parse_activity(attribute: &Attribute, tokens: TokenStream) -> Result<Vec<Choice>> {
    let parse = |input: ParseStream| {
        let is_option = input.peek(Ident) && input.peek2(Token![=]);
        if !is_option && !input.is_empty() {
            let name = attribute.name;
            let message = format!("`{name}` has no kind, only options: write `#[korf::{name}]`");
            return Err(input.error(message));
        }
        options(attribute, input)
    };
    Parser::parse2(parse, tokens)
}

/// Options with commas between them.
fn options(attribute: &Attribute, input: ParseStream) -> Result<Vec<Choice>> {
    let mut options = Vec::<Choice>::new();
    while !input.is_empty() {
        let option = option(attribute, input)?;
        if options.iter().any(|other| other.name == option.name) {
            return Err(Error::new(option.name.span(), format!("`{}` is given twice", option.name)));
        }
        options.push(option);
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(options)
}

fn option(attribute: &Attribute, input: ParseStream) -> Result<Choice> {
    if !input.peek(Ident) {
        return Err(input.error("an option is a name, and mostly a value: `id = \"…\"`"));
    }
    let name: Ident = input.parse()?;
    if !attribute.options().any(|option| name == option) {
        let known = attribute.options().collect::<Vec<_>>().join(", ");
        let message = format!("`{}` has no option `{name}`; it has: {known}", attribute.name);
        return Err(Error::new(name.span(), message));
    }
    options::parse(name, input)
}

/// A timer has an interval.
fn check_interval(attribute: &Attribute, arguments: &Arguments) -> Result<()> {
    if attribute.name == "timer" && !arguments.options.iter().any(|option| option.name == "interval") {
        return Err(Error::new(Span::call_site(), "missing interval: write `interval = 30s`"));
    }
    Ok(())
}

/// A mapping function has a kind that it maps to.
fn check_target(attribute: &Attribute, arguments: &Arguments) -> Result<()> {
    if attribute.name == "watches" && arguments.target().is_none() {
        let message = "missing kind of the objects that get a turn: write `maps_to = Kind`";
        return Err(Error::new(Span::call_site(), message));
    }
    Ok(())
}

/// A filter by a field's value needs a field.
fn check_fields(attribute: &Attribute, arguments: &Arguments) -> Result<()> {
    let given = |name: &str| arguments.options.iter().find(|option| option.name == name).map(|o| &o.name);
    let of_field = given("value").or(given("old")).or(given("new"));
    if given("field").is_none() {
        if attribute.needs_field() {
            let message = "missing field: write `field = \"spec.…\"`";
            return Err(Error::new(Span::call_site(), message));
        }
        if let Some(name) = of_field {
            let message = format!("`{name}` needs a field: add `field = \"spec.…\"`");
            return Err(Error::new(name.span(), message));
        }
    }
    match (given("value"), given("old").or(given("new"))) {
        (Some(value), Some(other)) => {
            let message =
                format!("`value` can't be combined with `{other}`: it matches before or after the change");
            Err(Error::new(value.span(), message))
        }
        _ => Ok(()),
    }
}
