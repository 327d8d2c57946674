//! Words as a shell reads them back.

/// A word, quoted where it must be.
pub(super) fn quote(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./=:,+@%".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What runs a command that was given as arguments: one is shell text, several are one command and
/// its arguments. Nothing if there are none.
pub(super) fn command(words: &[String]) -> Option<String> {
    match words {
        [] => None,
        [text] => Some(text.clone()),
        words => Some(words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_they_must_be() {
        for (word, quoted) in [
            ("plain-word_1./=:,+@%", "plain-word_1./=:,+@%"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(x)`y`\n", "'$(x)`y`\n'"),
            ("*", "'*'"),
        ] {
            assert_eq!(quote(word), quoted);
        }
    }
}
