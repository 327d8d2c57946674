//! Reads `.gitmodules`: which URL belongs to which path.
//!
//! Only what is needed of git's configuration format, and nothing of it is obeyed but `path` and
//! `url`: no update commands, no branches, no options.

use std::collections::HashMap;

/// URLs by path. A later section for the same path wins, as it does in git.
pub(super) fn urls(text: &[u8]) -> HashMap<Vec<u8>, String> {
    let mut sections: Vec<(Option<String>, Option<String>)> = Vec::new();
    let mut inside = false;
    for line in String::from_utf8_lossy(text).lines() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            inside = header.to_ascii_lowercase().starts_with("submodule");
            if inside {
                sections.push((None, None));
            }
        } else if let (true, Some((key, value))) = (inside, line.split_once('=')) {
            let Some(section) = sections.last_mut() else { continue };
            match key.trim().to_ascii_lowercase().as_str() {
                "path" => section.0 = Some(unquoted(value)),
                "url" => section.1 = Some(unquoted(value)),
                _ => {}
            }
        }
    }
    let complete = sections.into_iter().filter_map(|(path, url)| Some((path?.into_bytes(), url?)));
    complete.collect()
}

/// A value without quotes, escapes and comments.
fn unquoted(value: &str) -> String {
    let mut out = String::new();
    let mut quoted = false;
    let mut chars = value.trim().chars();
    // What is kept at the end even if it is a space: it stood in quotes.
    let mut kept = 0;
    while let Some(c) = chars.next() {
        match c {
            '"' => quoted = !quoted,
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => {}
            },
            '#' | ';' if !quoted => break,
            c => out.push(c),
        }
        if quoted {
            kept = out.len();
        }
    }
    let end = out.trim_end().len().max(kept);
    out.truncate(end);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_and_urls_are_read_and_nothing_else() {
        let text = br#"
            # a comment
            [core]
                path = not/this
                url = nor this
            [submodule "lib"]
                path = third party/lib ; comment
                url = ../lib.git
                update = !touch /tmp/owned
            [Submodule "quoted"]
                PATH = "a \"b\" "
                Url = "https://example.com/#x"
            [submodule "incomplete"]
                path = x
        "#;
        let expected = HashMap::from([
            (b"third party/lib".to_vec(), "../lib.git".to_owned()),
            (b"a \"b\" ".to_vec(), "https://example.com/#x".to_owned()),
        ]);
        assert_eq!(urls(text), expected);
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = urls(&text);
        }

        #[test]
        fn any_value_never_panics(value in "[\\\\\" #;a-cü]{0,12}") {
            let _ = unquoted(&value);
        }
    }
}
