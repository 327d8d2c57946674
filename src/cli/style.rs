//! Colors: few, and always a word next to them, because not everybody sees them.

use crate::model::{Outcome, StateName};

/// How text is painted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Style {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Cyan,
}

/// `text` in a style; the console takes it out again where it is not wanted.
pub(super) fn paint(style: Style, text: &str) -> String {
    let code = match style {
        Style::Bold => 1,
        Style::Dim => 2,
        Style::Red => 31,
        Style::Green => 32,
        Style::Yellow => 33,
        Style::Cyan => 36,
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// The word for how something ended, or where it is.
pub(super) fn result(state: &str, outcome: Option<Outcome>) -> String {
    match outcome {
        None if state == StateName::Running.as_str() => paint(Style::Cyan, state),
        None => state.to_owned(),
        Some(outcome @ Outcome::Success) => paint(Style::Green, outcome.as_str()),
        Some(outcome @ Outcome::Cancelled) => paint(Style::Yellow, outcome.as_str()),
        Some(outcome) => paint(Style::Red, outcome.as_str()),
    }
}
