//! A line of the operator's log, as the demo shows it: without the date and the logger, which don't change here.

/// A log line of korf's full format, `[date] logger [LEVEL   ] message`, in parts.
#[derive(Debug, PartialEq, Eq)]
pub struct LogLine<'a> {
    pub level: Level,
    pub message: &'a str,
}

/// The severity of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Debug,
    Info,
    Warning,
    Error,
    Critical,
}

impl Level {
    const ALL: [Self; 5] = [Self::Debug, Self::Info, Self::Warning, Self::Error, Self::Critical];

    /// The name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }
}

impl<'a> LogLine<'a> {
    /// The parts of a line; `None` if it has another format, as the rest of a message with several lines has.
    pub fn parse(line: &'a str) -> Option<Self> {
        let (_date, rest) = line.strip_prefix('[')?.split_once("] ")?;
        let (_logger, rest) = rest.split_once(" [")?;
        let (level, message) = rest.split_once("] ")?;
        let level = Level::ALL.into_iter().find(|known| known.name() == level.trim_end())?;
        Some(Self { level, message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_into_its_level_and_its_message() {
        let cases = [
            (
                "[2026-11-22 17:34:29,376] korf.objects         [INFO    ] [default/a] Handler 'create' succeeded.",
                Some((Level::Info, "[default/a] Handler 'create' succeeded.")),
            ),
            (
                "[2026-11-22 17:35:56,723] kopf._core.engines.a [CRITICAL] It [really] failed.",
                Some((Level::Critical, "It [really] failed.")),
            ),
            ("  a second line of a message", None),
            ("[default/a] a message [WITHOUT ] a date", None),
            ("", None),
        ];
        for (line, expected) in cases {
            let expected = expected.map(|(level, message)| LogLine { level, message });
            assert_eq!(LogLine::parse(line), expected, "{line}");
        }
    }
}
