//! What a person may have meant who wrote a name that does not exist.

/// The known name that is written most like `asked`, if one is close: a letter or two differ, or
/// it is the part before a version. Of several that are as close the last one, which is the newest
/// where names are in order.
pub fn nearest<'a>(asked: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // One slip in a short name, more in a long one: two of six letters would fit everything.
    let most = (asked.chars().count() / 4).max(1);
    let mut best: Option<(usize, &str)> = None;
    for name in known {
        let is_unversioned = name.strip_prefix(asked).is_some_and(|rest| rest.starts_with(':'));
        let distance = if is_unversioned { 0 } else { strsim::damerau_levenshtein(asked, name) };
        if distance <= most && best.is_none_or(|(least, _)| distance <= least) {
            best = Some((distance, name));
        }
    }
    best.map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_close_is_meant() {
        let known = ["clang:18", "clang:19", "gcc:12", "gcc:14", "mingw64"];
        for (asked, meant) in [
            ("gcc:41", Some("gcc:14")),
            ("gcc14", Some("gcc:14")),
            ("gcc", Some("gcc:14")),
            ("clang", Some("clang:19")),
            ("clnag:18", Some("clang:18")),
            ("mingw", None),
            ("mingw46", Some("mingw64")),
            ("gcc:99", None),
            ("rustc:1", None),
            ("", None),
        ] {
            assert_eq!(nearest(asked, known), meant, "{asked}");
        }
    }
}
