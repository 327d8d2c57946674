//! The two changes that the relay makes to HTTP heads.
//!
//! A request gets the server's own name and credentials instead of the relay's; a response must not
//! be a redirect. Every connection carries one request, so nothing needs to know where bodies end.

use super::{SourceError, error::foreign};

/// The request head as the server gets it; none if it is not for this relay.
pub(super) fn request(
    head: &[u8],
    secret: &str,
    authority: &str,
    authorization: Option<&str>,
) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(head).ok()?;
    let (first, headers) = text.split_once("\r\n")?;
    let mut words = first.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let path = target.strip_prefix('/')?.strip_prefix(secret)?;
    if !path.starts_with('/') || words.next().is_some() || !matches!(method, "GET" | "POST") {
        return None;
    }
    let mut out = format!("{method} {path} {version}\r\nHost: {authority}\r\n");
    keep_headers(
        &mut out,
        headers,
        &["host", "connection", "authorization", "proxy-authorization"],
    );
    if let Some(value) = authorization {
        out.push_str("Authorization: ");
        out.push_str(value);
        out.push_str("\r\n");
    }
    out.push_str("Connection: close\r\n\r\n");
    Some(out.into_bytes())
}

/// A response head as the helper gets it.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) bytes: Vec<u8>,
    /// The body ends where the connection does. libgit2 takes that for no body at all, so the relay
    /// sends it in chunks.
    pub(super) unframed: bool,
    /// Another head follows (`100 Continue`).
    pub(super) interim: bool,
    /// What the status says, if it is not good.
    pub(super) problem: Option<SourceError>,
}

/// Reads a response head; a redirect is an error.
pub(super) fn response(head: &[u8], host: &str) -> Result<Response, SourceError> {
    let text = String::from_utf8_lossy(head);
    let (first, headers) = text.split_once("\r\n").unwrap_or((&text, ""));
    let status = first
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1))
        .and_then(|status| status.parse::<u16>().ok());
    let Some(status) = status else {
        return Err(SourceError::Unreachable(format!("{host} does not answer in HTTP")));
    };
    let problem = match status {
        300..=399 => return Err(SourceError::Refused(redirect(host, headers))),
        401 | 403 => Some(SourceError::Credentials(format!(
            "{host} answered {status}: there is no such repository, or it needs credentials (give \
             them by host in the credentials file)"
        ))),
        400.. => {
            let answer = first.split_once(' ').map_or(first, |(_, answer)| answer);
            Some(SourceError::Unreachable(format!("{host} answered {}", foreign(answer))))
        }
        _ => None,
    };
    let rest = first.split_once(' ').map_or("", |(_, rest)| rest);
    let mut out = format!("HTTP/1.1 {rest}\r\n");
    keep_headers(&mut out, headers, &["connection", "keep-alive"]);
    let interim = status < 200;
    let has = |name: &str| headers.split("\r\n").any(|line| header_name(line) == name);
    let unframed = !interim && !has("content-length") && !has("transfer-encoding");
    if unframed {
        out.push_str("Transfer-Encoding: chunked\r\n");
    }
    out.push_str(if interim { "\r\n" } else { "Connection: close\r\n\r\n" });
    Ok(Response { bytes: out.into_bytes(), unframed, interim, problem })
}

fn redirect(host: &str, headers: &str) -> String {
    let to = headers
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("location"))
        .map(|(_, to)| foreign(to.split(['?', '#']).next().unwrap_or(to)))
        .filter(|to| !to.contains('@'))
        .unwrap_or_default();
    let to = to.trim_end_matches("/info/refs");
    format!("{host} redirects to {to:?}: redirects are not followed, give the right URL")
}

fn keep_headers(out: &mut String, headers: &str, dropped: &[&str]) {
    for line in headers.split("\r\n").filter(|line| !line.is_empty()) {
        if !dropped.contains(&header_name(line).as_str()) {
            out.push_str(line);
            out.push_str("\r\n");
        }
    }
}

fn header_name(line: &str) -> String {
    line.split(':').next().unwrap_or(line).trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_gets_the_servers_name_and_credentials() {
        let head = b"GET /s3cret/a.git/info/refs?service=x HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\
            User-Agent: git\r\nconnection: keep-alive\r\nAuthorization: Basic old\r\n\r\n";
        let out = request(head, "s3cret", "example.com", Some("Basic new")).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "GET /a.git/info/refs?service=x HTTP/1.1\r\nHost: example.com\r\nUser-Agent: git\r\n\
             Authorization: Basic new\r\nConnection: close\r\n\r\n"
        );
        for other in [
            "GET /a.git HTTP/1.1\r\n\r\n",
            "GET /s3cretx/a HTTP/1.1\r\n\r\n",
            "GET /s3cret HTTP/1.1\r\n\r\n",
            "CONNECT /s3cret/a HTTP/1.1\r\n\r\n",
            "GET http://x/s3cret/a HTTP/1.1\r\n\r\n",
            "GET /s3cret/a b HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(request(other.as_bytes(), "s3cret", "example.com", None), None, "{other}");
        }
    }

    #[test]
    fn statuses_say_what_is_wrong_and_redirects_end_it() {
        let answer = |first: &str| {
            response(
                format!("{first}\r\nLocation: http://127.0.0.1/x/info/refs?a=b\r\n\r\n").as_bytes(),
                "h",
            )
        };
        assert_eq!(answer("HTTP/1.1 200 OK").unwrap().problem, None);
        assert!(answer("HTTP/1.1 100 Continue").unwrap().interim);
        let old = answer("HTTP/1.0 200 OK").unwrap();
        let text = String::from_utf8(old.bytes).unwrap();
        assert!(old.unframed && text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert!(
            text.ends_with("Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"),
            "{text}"
        );
        for (first, text) in [
            ("HTTP/1.1 401 Unauthorized", "needs credentials"),
            ("HTTP/1.1 404 Not Found", "answered 404 Not Found"),
            ("HTTP/1.1 301 Moved", "redirects to \"http://127.0.0.1/x\""),
            ("HTTP/2 200", "does not answer in HTTP"),
            ("SSH-2.0-x", "does not answer in HTTP"),
        ] {
            let error = match answer(first) {
                Ok(response) => response.problem.unwrap(),
                Err(error) => error,
            };
            assert!(error.to_string().contains(text), "{first}: {error}");
        }
    }

    proptest! {
        #[test]
        fn heads_of_any_bytes_never_panic(head in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = request(&head, "s", "h", None);
            let _ = response(&head, "h");
        }

        #[test]
        fn odd_status_lines_never_panic(first in "HTTP/1\\.[ 0-9]{0,9}\\PC{0,3}") {
            let _ = response(first.as_bytes(), "h");
        }
    }
}
