//! What goes to a person's terminal: nothing from an account unescaped, colours only where they are welcome.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use anstyle::{AnsiColor, Style};

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The two streams and how they may look.
#[derive(Debug, Clone)]
pub(crate) struct Terminal {
    /// A person reads stderr and answers on stdin.
    pub(crate) interactive: bool,
    /// stderr is a terminal: a progress bar makes sense.
    pub(crate) progress: bool,
    color_out: bool,
    color_err: bool,
    /// Why stdout could not be written, if it could not.
    output_error: Arc<Mutex<Option<std::io::Error>>>,
}

pub(crate) const BAD: Style = AnsiColor::Red.on_default();
pub(crate) const CARE: Style = AnsiColor::Yellow.on_default();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();

#[expect(clippy::unused_self, reason = "whoever may write is handed the terminal")]
impl Terminal {
    pub(crate) fn new(choice: ColorChoice, no_color: bool) -> Self {
        let color = |is_terminal: bool| match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => is_terminal && !no_color,
        };
        let err = std::io::stderr().is_terminal();
        Self {
            interactive: err && std::io::stdin().is_terminal(),
            progress: err,
            color_out: color(std::io::stdout().is_terminal()),
            color_err: color(err),
            output_error: Arc::default(),
        }
    }

    /// Writes a result to stdout. A reader that went away is no failure of ours; any other is kept.
    pub(crate) fn out(&self, text: impl Display) {
        let mut stdout = std::io::stdout().lock();
        let written = write!(stdout, "{text}").and_then(|()| stdout.flush());
        if let Err(error) = written
            && error.kind() != std::io::ErrorKind::BrokenPipe
        {
            self.output_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }

    /// Returns why stdout could not be written, if it could not.
    pub(crate) fn output_error(&self) -> Option<std::io::Error> {
        self.output_error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Writes a line for the person to stderr.
    pub(crate) fn say(&self, text: impl Display) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// Writes a warning to stderr.
    pub(crate) fn warn(&self, text: impl Display) {
        self.say(format_args!("{} {text}", self.on_err("warning:", CARE)));
    }

    /// Writes to stderr and stays on the line.
    pub(crate) fn ask(&self, text: impl Display) {
        let mut err = std::io::stderr().lock();
        let _ = write!(err, "{text} ");
        let _ = err.flush();
    }

    /// Draws on stderr as it is, for a person at a terminal.
    pub(crate) fn draw(&self, text: impl Display) {
        let mut err = std::io::stderr().lock();
        let _ = write!(err, "{text}");
        let _ = err.flush();
    }

    /// Styles a text for stdout, where that is welcome.
    pub(crate) fn on_out(&self, text: impl Display, style: Style) -> String {
        styled(text, style, self.color_out)
    }

    /// Styles a text for stderr, where that is welcome.
    pub(crate) fn on_err(&self, text: impl Display, style: Style) -> String {
        styled(text, style, self.color_err)
    }

    /// Returns whether stderr takes colours.
    pub(crate) fn colors_err(&self) -> bool {
        self.color_err
    }

    /// Returns how wide a table on stdout may be; `None` where nobody looks at it on a terminal.
    pub(crate) fn width(&self) -> Option<u16> {
        let size = terminal_size::terminal_size_of(std::io::stdout());
        size.map(|(terminal_size::Width(width), _)| width)
    }
}

fn styled(text: impl Display, style: Style, color: bool) -> String {
    if color { format!("{style}{text}{style:#}") } else { text.to_string() }
}

/// Returns a text from an account as it can be shown: control characters, and those that turn the direction of
/// writing around, are spelled out.
pub(crate) fn safe(text: &str) -> Cow<'_, str> {
    let dangerous = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if !text.chars().any(dangerous) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if dangerous(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Returns a text as one field of a CSV that a spreadsheet opens: what it would take for a formula gets an
/// apostrophe in front.
pub(crate) fn csv_safe(text: &str) -> Cow<'_, str> {
    match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => Cow::Owned(format!("'{text}")),
        _ => Cow::Borrowed(text),
    }
}

/// A terminal narrower than this has no room for columns.
const COLUMNS_MIN: u16 = 50;

/// Lays rows out in columns; the first row is the heading. Where there is no room, each cell has a line.
pub(crate) fn table(rows: Vec<Vec<String>>, width: Option<u16>) -> String {
    let mut text = String::new();
    if width.is_some_and(|width| width < COLUMNS_MIN) {
        let (heading, rows) =
            rows.split_first().map_or((&[][..], &[][..]), |(head, rows)| (head.as_slice(), rows));
        for row in rows {
            for (i, (name, cell)) in
                heading.iter().zip(row).enumerate().filter(|(_, (_, cell))| !cell.is_empty())
            {
                let line = if i == 0 { cell.clone() } else { format!("  {name} {cell}") };
                text.push_str(&line);
                text.push('\n');
            }
        }
        return text;
    }
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    if let Some(width) = width {
        table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic).set_width(width);
    }
    for row in rows {
        table.add_row(row);
    }
    for line in table.to_string().lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_an_account_cannot_drive_a_terminal() {
        assert_eq!(safe("a\x1b[31mb\u{202e}c\u{9b}"), "a\\u{1b}[31mb\\u{202e}c\\u{9b}");
        assert!(matches!(safe("+=,.@_-"), Cow::Borrowed(_)));
    }

    #[test]
    fn no_field_of_a_csv_is_a_formula() {
        assert_eq!(csv_safe("=1+1"), "'=1+1");
        assert_eq!(csv_safe("@x"), "'@x");
        assert_eq!(csv_safe("alice"), "alice");
    }
}
