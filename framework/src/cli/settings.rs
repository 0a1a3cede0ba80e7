//! Command `settings`: the limits, delays and sizes of `run`.

use crate::settings::{InvalidSetting, Settings, variable};
use std::io::{self, Write};

/// A table: name, value, variable.
pub(super) fn print(settings: &Settings, out: &mut impl Write) -> io::Result<()> {
    let values = settings.values();
    let names = values.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let texts = values.iter().map(|(_, text)| text.len()).max().unwrap_or_default();
    writeln!(out, "{:names$}  {:texts$}  VARIABLE", "NAME", "VALUE")?;
    for (name, text) in &values {
        writeln!(out, "{name:names$}  {text:texts$}  {}", variable(name))?;
    }
    Ok(())
}

/// Settings as the environment changes them.
pub(super) fn of_environment(mut settings: Settings) -> Result<Settings, InvalidSetting> {
    settings.set_from_environment()?;
    Ok(settings)
}
