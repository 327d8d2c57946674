//! The embedded files.

use std::borrow::Cow;

use rust_embed::RustEmbed;

/// What `web/` builds; read from the disk at each request where the program is compiled for debugging.
#[derive(RustEmbed)]
#[folder = "web/dist/app"]
#[allow_missing = true]
struct Built;

/// What stands where the page would be.
const MISSING: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>kiln</title>\
     <h1>kiln</h1><p>This program was compiled without its web page. Run <code>./dev web</code> and compile it \
     again. The API is described at <a href=\"/docs/\">/docs</a>.</p>";

/// A file of the page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebFile {
    /// What is in it.
    pub bytes: Cow<'static, [u8]>,
    /// Its media type.
    pub mime: &'static str,
    /// Whether its name changes with what is in it.
    pub is_forever: bool,
}

/// The file with this path, without a slash before it.
pub fn file(path: &str) -> Option<WebFile> {
    let found = Built::get(path)?;
    Some(WebFile { bytes: found.data, mime: mime(path), is_forever: path.starts_with("assets/") })
}

/// The page itself, which is the same wherever in it one is.
pub fn page() -> WebFile {
    file("index.html").unwrap_or_else(|| WebFile {
        bytes: MISSING.as_bytes().into(),
        mime: mime("index.html"),
        is_forever: false,
    })
}

/// The media type of a file of the page. What it does not have is never shown by a browser.
fn mime(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, end)| end) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_a_page_and_never_a_file_beside_it() {
        assert_eq!(page().mime, "text/html; charset=utf-8");
        assert!(!page().is_forever && !page().bytes.is_empty());
        for path in ["", "nothing.js", "../Cargo.toml", "/etc/passwd", "assets/../../package.json"]
        {
            assert_eq!(file(path), None, "{path}");
        }
    }
}
