//! Downloads that survive a broken connection: what is missing is asked for with a Range.

use std::io;

use reqwest::{Response, StatusCode, header};

use super::{ClientError, Http, backoff::Backoff};

/// A download failed, on one of its two ends.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The server's end.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// This end.
    #[error("cannot write what was downloaded: {0}")]
    Write(#[from] io::Error),
}

/// Writes what is at `path` into `sink` and gives the number of bytes. A server that cannot be
/// reached at all is an error at once; one that goes away in the middle is waited for.
pub(super) async fn download(
    http: &Http,
    path: &str,
    sink: &mut (dyn io::Write + Send),
) -> Result<u64, DownloadError> {
    let mut backoff = Backoff::new();
    let mut begun = false;
    let mut have = 0;
    loop {
        let problem = match open(http, path, have).await {
            Ok(None) => return Ok(have),
            Ok(Some((mut response, mut skip))) => {
                begun = true;
                loop {
                    match response.chunk().await {
                        Ok(None) => return Ok(have),
                        Ok(Some(chunk)) => {
                            let known = skip.min(chunk.len() as u64);
                            skip -= known;
                            let new = &chunk[usize::try_from(known).unwrap_or(chunk.len())..];
                            if !new.is_empty() {
                                sink.write_all(new)?;
                                have += new.len() as u64;
                                backoff.reset();
                            }
                        }
                        Err(error) => break http.unreachable(&error),
                    }
                }
            }
            Err(error) if begun && error.is_transient() => error,
            Err(error) => return Err(error.into()),
        };
        match backoff.wait() {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return Err(problem.into()),
        }
    }
}

/// The answer from byte `have` on, and how many bytes of it are had already; nothing if there is no
/// more.
async fn open(http: &Http, path: &str, have: u64) -> Result<Option<(Response, u64)>, ClientError> {
    if have == 0 {
        return Ok(Some((http.get_from(path, 0).await?, 0)));
    }
    let response = match http.get_from(path, have).await {
        Err(ClientError::Refused { status, .. })
            if status == StatusCode::RANGE_NOT_SATISFIABLE.as_u16() =>
        {
            return Ok(None);
        }
        answer => answer?,
    };
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return Ok(Some((response, have)));
    }
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    match range
        .and_then(|range| range.strip_prefix("bytes ")?.split_once('-')?.0.parse::<u64>().ok())
    {
        Some(from) if from <= have => Ok(Some((response, have - from))),
        _ => Err(ClientError::Answer(format!("asked for bytes from {have} on, got {range:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use axum::{
        Router,
        body::{Body, Bytes},
        http::{HeaderMap, StatusCode},
        response::{IntoResponse, Response},
        routing::get,
    };
    use futures_util::{StreamExt, stream};

    use super::*;

    const TEXT: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

    /// Serves `TEXT`, five bytes a connection, then breaks off.
    fn stingy(ranges: bool, headers: &HeaderMap, calls: &AtomicUsize) -> Response {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        let from = headers
            .get("range")
            .and_then(|range| {
                range.to_str().ok()?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
            })
            .filter(|_| ranges)
            .unwrap_or(0_usize);
        if from >= TEXT.len() {
            return StatusCode::RANGE_NOT_SATISFIABLE.into_response();
        }
        let until = if ranges { from + 5 } else { 5 * (call + 1) }.min(TEXT.len());
        let mut parts = vec![Ok(Bytes::from_static(&TEXT[from..until]))];
        if until < TEXT.len() || ranges {
            parts.push(Err(io::Error::other("cut")));
        }
        // The pause lets what was written so far reach the wire.
        let parts = stream::iter(parts).then(|part| async {
            tokio::task::yield_now().await;
            part
        });
        let body = Body::from_stream(parts);
        if from > 0 {
            let range = format!("bytes {from}-{}/{}", TEXT.len() - 1, TEXT.len());
            return (StatusCode::PARTIAL_CONTENT, [("content-range", range)], body).into_response();
        }
        body.into_response()
    }

    async fn check(ranges: bool) {
        let calls = Arc::new(AtomicUsize::new(0));
        let app = Router::new().route(
            "/x",
            get(move |headers: HeaderMap| async move { stingy(ranges, &headers, &calls) }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = Http::new(&format!("http://{}", listener.local_addr().unwrap()), None).unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, app).await });
        let mut sink = Vec::new();
        let got = download(&http, "x", &mut sink).await.unwrap();
        assert_eq!((got, &sink[..]), (TEXT.len() as u64, TEXT));
        server.abort();
    }

    #[tokio::test]
    async fn a_download_goes_on_where_it_broke_off() {
        check(true).await;
    }

    #[tokio::test]
    async fn a_server_without_ranges_is_read_again_from_the_start() {
        check(false).await;
    }
}
