//! Request bodies: read whole, with a byte cap, a time limit, a share of a global budget, and bounded inflate.
//!
//! The server's own extractors know neither a time limit nor a bound on what a compressed body inflates to.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::web::{Bytes, BytesMut, Payload};
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use futures_util::StreamExt as _;

/// Bytes inflated between two looks at the budget, and at whoever else waits for this thread.
const INFLATE_STEP_BYTES: usize = 256 << 10;

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("body is larger than {bytes_max} bytes")]
    TooLarge { bytes_max: usize },
    #[error("body inflates to more than {bytes_max} bytes")]
    InflatesTooLarge { bytes_max: usize },
    #[error("body did not arrive within {} seconds", within.as_secs())]
    TooSlow { within: Duration },
    #[error("connection broke while the body was read")]
    Broken { source: actix_web::error::PayloadError },
    #[error("content encoding {name:?} is none of identity, gzip, deflate")]
    UnknownEncoding { name: String },
    #[error("body is not valid {encoding}")]
    Inflate { encoding: &'static str, source: std::io::Error },
    #[error("bodies of {bytes_max} bytes are being read already")]
    NoRoom { bytes_max: usize },
}

/// How many bytes of bodies may be held at once.
#[derive(Debug)]
pub struct Budget {
    used: AtomicUsize,
    bytes_max: usize,
}

impl Budget {
    /// A budget of `bytes_max` bytes.
    pub const fn new(bytes_max: usize) -> Self {
        Self { used: AtomicUsize::new(0), bytes_max }
    }

    /// A share of nothing yet; it goes back when dropped.
    pub fn share(self: &Arc<Self>) -> Share {
        Share { budget: Arc::clone(self), bytes: 0 }
    }
}

/// The part of a [`Budget`] that one request holds.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Share {
    fn grow(&mut self, by: usize) -> Result<(), Error> {
        let Budget { used, bytes_max } = &*self.budget;
        self.bytes += by;
        if used.fetch_add(by, Ordering::Relaxed) + by > *bytes_max {
            return Err(Error::NoRoom { bytes_max: *bytes_max });
        }
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Reads a whole body of at most `bytes_max` bytes within `within`.
pub async fn read(
    payload: &mut Payload,
    bytes_max: usize,
    within: Duration,
    share: &mut Share,
) -> Result<Bytes, Error> {
    tokio::time::timeout(within, collect(payload, bytes_max, share))
        .await
        .map_err(|_| Error::TooSlow { within })?
}

async fn collect(
    payload: &mut Payload,
    bytes_max: usize,
    share: &mut Share,
) -> Result<Bytes, Error> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|source| Error::Broken { source })?;
        if first.len() + rest.len() + chunk.len() > bytes_max {
            return Err(Error::TooLarge { bytes_max });
        }
        share.grow(chunk.len())?;
        // Most bodies arrive in one piece and are not copied.
        if first.is_empty() && rest.is_empty() {
            first = chunk;
        } else {
            rest.extend_from_slice(&std::mem::take(&mut first));
            rest.extend_from_slice(&chunk);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// The body as it was before it was compressed, at most `bytes_max` bytes; `encoding` is the value of
/// `Content-Encoding`.
pub async fn inflate(
    encoding: Option<&[u8]>,
    body: Bytes,
    bytes_max: usize,
    share: &mut Share,
) -> Result<Bytes, Error> {
    let Some(encoding) = encoding else { return Ok(body) };
    let name = encoding.trim_ascii();
    if name.is_empty() || name.eq_ignore_ascii_case(b"identity") {
        return Ok(body);
    }
    if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") {
        return drain("gzip", MultiGzDecoder::new(&*body), bytes_max, share).await;
    }
    if name.eq_ignore_ascii_case(b"deflate") {
        // RFC 9110 means zlib by "deflate"; some senders leave its header out.
        return if is_zlib(&body) {
            drain("deflate", ZlibDecoder::new(&*body), bytes_max, share).await
        } else {
            drain("deflate", DeflateDecoder::new(&*body), bytes_max, share).await
        };
    }
    Err(Error::UnknownEncoding { name: name.escape_ascii().take(40).map(char::from).collect() })
}

/// RFC 1950: method 8 in the low bits, and the first two bytes are a multiple of 31.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [cmf, flags, ..]
        if cmf & 0x0f == 8 && u16::from_be_bytes([*cmf, *flags]).is_multiple_of(31))
}

async fn drain(
    encoding: &'static str,
    mut decoder: impl std::io::Read,
    bytes_max: usize,
    share: &mut Share,
) -> Result<Bytes, Error> {
    let mut inflated = Vec::new();
    loop {
        let step = (bytes_max + 1 - inflated.len()).min(INFLATE_STEP_BYTES);
        let got = (&mut decoder)
            .take(step as u64)
            .read_to_end(&mut inflated)
            .map_err(|source| Error::Inflate { encoding, source })?;
        share.grow(got)?;
        if inflated.len() > bytes_max {
            return Err(Error::InflatesTooLarge { bytes_max });
        }
        if got < step {
            return Ok(inflated.into());
        }
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::INFLATED_BYTES_MAX;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use std::io::Write as _;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().expect("runtime").block_on(future)
    }

    fn gzip(raw: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(raw).expect("write to memory");
        encoder.finish().expect("finish in memory")
    }

    fn check(encoding: Option<&str>, body: Vec<u8>) -> Result<Vec<u8>, String> {
        let budget = Arc::new(Budget::new(32 << 20));
        let mut share = budget.share();
        let encoding = encoding.map(str::as_bytes);
        let inflated = block_on(inflate(encoding, body.into(), INFLATED_BYTES_MAX, &mut share));
        drop(share);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0, "a share goes back whole");
        inflated.map(|bytes| bytes.to_vec()).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_the_encodings_it_knows() {
        let raw = b"{\"title\":\"disk full\"}";
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(raw).expect("write to memory");
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
        deflate.write_all(raw).expect("write to memory");
        let rows = [
            (None, raw.to_vec()),
            (Some("identity"), raw.to_vec()),
            (Some(" GZIP "), gzip(raw)),
            (Some("x-gzip"), gzip(raw)),
            (Some("deflate"), zlib.finish().expect("finish in memory")),
            (Some("deflate"), deflate.finish().expect("finish in memory")),
        ];
        for (encoding, body) in rows {
            assert_eq!(check(encoding, body), Ok(raw.to_vec()), "{encoding:?}");
        }
    }

    #[test]
    fn refuses_what_it_cannot_bound_or_read() {
        let bomb = gzip(&vec![0; INFLATED_BYTES_MAX + 1]);
        let bytes = bomb.len();
        assert!(bytes < 20_000, "{bytes} is no bomb");
        let rows = [
            (Some("gzip"), bomb, "body inflates to more than 16777216 bytes"),
            (Some("gzip"), b"not gzip".to_vec(), "body is not valid gzip"),
            (Some("gzip"), gzip(b"cut")[..12].to_vec(), "body is not valid gzip"),
            (
                Some("br"),
                b"x".to_vec(),
                "content encoding \"br\" is none of identity, gzip, deflate",
            ),
            (
                Some("gzip, gzip"),
                b"x".to_vec(),
                "content encoding \"gzip, gzip\" is none of identity, gzip, deflate",
            ),
        ];
        for (encoding, body, message) in rows {
            assert_eq!(check(encoding, body), Err(message.to_owned()), "{encoding:?}");
        }
    }

    #[test]
    fn a_full_budget_refuses_more() {
        let budget = Arc::new(Budget::new(10));
        let mut first = budget.share();
        assert!(first.grow(8).is_ok());
        let mut second = budget.share();
        assert!(matches!(second.grow(8), Err(Error::NoRoom { bytes_max: 10 })));
        drop((first, second));
        assert!(budget.share().grow(10).is_ok());
    }
}
