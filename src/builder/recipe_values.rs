//! Typed access to a parsed TOML document in which every error knows its key and its line.
//!
//! serde would do the typing, but stops at messages without keys; people fix their file faster
//! when told which key on which line, and what is allowed.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::RecipeFileError as Error;

/// The longest key that an error repeats.
const MAX_SHOWN: usize = 80;

/// The text of the file, to turn spans into lines.
#[derive(Clone, Copy)]
pub(super) struct Text<'a>(pub &'a str);

impl Text<'_> {
    /// The line, from 1, of a byte offset.
    pub(super) fn line(self, offset: usize) -> usize {
        let end = offset.min(self.0.len());
        1 + self.0.bytes().take(end).filter(|&b| b == b'\n').count()
    }
}

/// A value, where it is, and what it is called.
pub(super) struct Value<'a, 'i> {
    pub key: String,
    pub spanned: &'a Spanned<DeValue<'i>>,
    pub text: Text<'a>,
}

/// A table whose keys are all known.
pub(super) struct Table<'a, 'i> {
    prefix: String,
    line: usize,
    entries: &'a DeTable<'i>,
    text: Text<'a>,
}

impl<'a, 'i> Table<'a, 'i> {
    /// The root of the document.
    pub(super) fn root(table: &'a DeTable<'i>, text: Text<'a>) -> Self {
        Self { prefix: String::new(), line: 1, entries: table, text }
    }

    /// Refuses every key that is not in `known`.
    pub(super) fn only(self, known: &[&str]) -> Result<Self, Error> {
        for key in self.entries.keys() {
            if !known.contains(&key.get_ref().as_ref()) {
                return Err(Error::UnknownKey {
                    line: self.text.line(key.span().start),
                    key: name(&self.prefix, key.get_ref()),
                    allowed: known.join(", "),
                });
            }
        }
        Ok(self)
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<Value<'a, 'i>> {
        let spanned = self.entries.get(key)?;
        Some(Value { key: name(&self.prefix, key), spanned, text: self.text })
    }

    /// The value of a key that must be there.
    pub(super) fn need(&self, key: &str) -> Result<Value<'a, 'i>, Error> {
        self.get(key)
            .ok_or_else(|| Error::Missing { line: self.line, key: name(&self.prefix, key) })
    }

    /// Every key with its value.
    pub(super) fn each(&self) -> impl Iterator<Item = (String, Value<'a, 'i>)> {
        self.entries.iter().map(|(key, spanned)| {
            let plain = key.get_ref().to_string();
            (plain, Value { key: name(&self.prefix, key.get_ref()), spanned, text: self.text })
        })
    }
}

impl<'a, 'i> Value<'a, 'i> {
    fn line(&self) -> usize {
        self.text.line(self.spanned.span().start)
    }

    fn wrong_type(&self, allowed: &'static str) -> Error {
        let found = match self.spanned.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        Error::Type { line: self.line(), key: self.key.clone(), allowed, found }
    }

    /// The error that this value is not accepted.
    pub(super) fn refused(&self, problem: &(impl ToString + ?Sized)) -> Error {
        Error::Value { line: self.line(), key: self.key.clone(), problem: problem.to_string() }
    }

    /// A string.
    pub(super) fn string(&self) -> Result<&'a str, Error> {
        self.spanned.get_ref().as_str().ok_or_else(|| self.wrong_type("a string"))
    }

    /// True or false.
    pub(super) fn boolean(&self) -> Result<bool, Error> {
        self.spanned.get_ref().as_bool().ok_or_else(|| self.wrong_type("true or false"))
    }

    /// An integer that is not negative.
    pub(super) fn integer(&self) -> Result<u64, Error> {
        let integer =
            self.spanned.get_ref().as_integer().ok_or_else(|| self.wrong_type("an integer"))?;
        u64::from_str_radix(integer.as_str(), integer.radix())
            .map_err(|_| self.refused("must be between 0 and 18446744073709551615"))
    }

    /// A table.
    pub(super) fn table(&self) -> Result<Table<'a, 'i>, Error> {
        let entries =
            self.spanned.get_ref().as_table().ok_or_else(|| self.wrong_type("a table"))?;
        Ok(Table { prefix: self.key.clone(), line: self.line(), entries, text: self.text })
    }

    /// The items of a list; `allowed` says what the list is to be.
    pub(super) fn list(&self, allowed: &'static str) -> Result<Vec<Value<'a, 'i>>, Error> {
        let list = self.spanned.get_ref().as_array().ok_or_else(|| self.wrong_type(allowed))?;
        Ok(list
            .iter()
            .enumerate()
            .map(|(at, spanned)| Value {
                key: format!("{}[{at}]", self.key),
                spanned,
                text: self.text,
            })
            .collect())
    }

    /// A list of strings.
    pub(super) fn strings(&self) -> Result<Vec<String>, Error> {
        self.list("a list of strings")?.iter().map(|item| Ok(item.string()?.to_owned())).collect()
    }
}

fn name(prefix: &str, key: &str) -> String {
    let key: String = key.escape_debug().take(MAX_SHOWN).collect();
    if prefix.is_empty() { key } else { format!("{prefix}.{key}") }
}
