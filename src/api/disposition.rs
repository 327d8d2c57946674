//! `Content-Disposition` for names that somebody else chose: quotes, line breaks and other
//! alphabets cannot leave the value (RFC 6266, RFC 5987).

use std::fmt::Write as _;

use axum::http::HeaderValue;

/// The header that makes a browser save the answer under `name`.
pub(super) fn attachment(name: &str) -> HeaderValue {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "._-+".contains(c) { c } else { '_' })
        .collect();
    let mut value = format!("attachment; filename=\"{plain}\"");
    if plain != name {
        value.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
                value.push(char::from(byte));
            } else {
                write!(value, "%{byte:02X}").expect("writing to a string cannot fail");
            }
        }
    }
    HeaderValue::try_from(value).expect("only printable ASCII is in it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_the_value() {
        for (name, expected) in [
            ("app", "attachment; filename=\"app\""),
            (
                "a\"b\r\nX: y",
                "attachment; filename=\"a_b__X__y\"; filename*=UTF-8''a%22b%0D%0AX%3A%20y",
            ),
            ("ü", "attachment; filename=\"_\"; filename*=UTF-8''%C3%BC"),
        ] {
            assert_eq!(attachment(name), expected);
        }
    }
}
