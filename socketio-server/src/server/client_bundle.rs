//! The client bundle: scripts for browsers, served like the official server serves them.

use std::future::Future;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, fs};

use bytes::Bytes;
use engineio::Body;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde::Deserialize;
use sha1::{Digest, Sha1};
use tokio::sync::OnceCell;

use super::ServerBuilder;

/// Names of the served files.
const NAMES: [&str; 8] = [
    "socket.io.esm.min.js",
    "socket.io.esm.min.js.map",
    "socket.io.js",
    "socket.io.js.map",
    "socket.io.min.js",
    "socket.io.min.js.map",
    "socket.io.msgpack.min.js",
    "socket.io.msgpack.min.js.map",
];
/// npm packages that contain a bundle.
const PACKAGES: [&str; 2] = ["socket.io", "socket.io-client"];
/// Number of checksum bytes in an ETag.
const DIGEST: usize = 10;

impl ServerBuilder {
    /// Serves the client bundle (`serveClient`), so that a page can load `<script
    /// src="/socket.io/socket.io.js"></script>`. Default: not served.
    ///
    /// `folder` contains the files: `client-dist` of the npm package `socket.io`, or `dist` of
    /// `socket.io-client`. All eight files are read at once and stay in memory: 1.2 MB, and half as much
    /// again when each has been requested in each encoding. The first request for a file in `br`, `gzip` or
    /// `deflate` waits for its compression, which takes up to half a second on a blocking thread; the result
    /// is kept.
    ///
    /// In addition to the official server's headers, responses contain `Vary: Accept-Encoding`; without it a
    /// cache may serve an encoding that the page does not accept. The ETag is the version in the
    /// `package.json` next to the folder; if there is none of these packages, a checksum of the file.
    ///
    /// ```no_run
    /// # use socketio_server::Server;
    /// let io = Server::builder().serve_client("node_modules/socket.io/client-dist")?.build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "serveClient")]
    pub fn serve_client(self, folder: impl AsRef<Path>) -> Result<Self, BundleError> {
        let bundle = Bundle::read(folder.as_ref())?;
        Ok(self.engine(|engine| engine.resource(move |below, request| bundle.answer(below, request))))
    }
}

/// A folder cannot be served as the client bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// Files of the bundle are missing. The folder is another one, or belongs to another version of the
    /// package.
    #[error("{} is not the folder of a client bundle: missing {}", folder.display(), files.join(", "))]
    Missing {
        /// The given folder.
        folder: PathBuf,
        /// Names of the missing files.
        files: Vec<&'static str>,
    },
    /// The folder, or a file in it, cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The unreadable path.
        path: PathBuf,
        /// The I/O error.
        error: io::Error,
    },
}

/// The files of a bundle.
struct Bundle {
    files: Vec<Arc<File>>,
}

/// One file, in each requested encoding.
struct File {
    name: &'static str,
    etag: HeaderValue,
    plain: Bytes,
    /// Index: [`Coding`]. An inner `None` means that compression failed.
    coded: [OnceCell<Option<Bytes>>; Coding::ALL.len()],
}

#[derive(Clone, Copy, Debug)]
enum Coding {
    Brotli,
    Gzip,
    Deflate,
}

impl Bundle {
    fn read(folder: &Path) -> Result<Self, BundleError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            |error| BundleError::Read { path, error }
        };
        fs::read_dir(folder).map_err(failed(folder))?;
        let version = version(folder);
        let (mut files, mut missing) = (Vec::with_capacity(NAMES.len()), Vec::new());
        for name in NAMES {
            let path = folder.join(name);
            match fs::read(&path) {
                Ok(plain) => files.push(Arc::new(File::new(name, plain.into(), version.clone()))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(name),
                Err(error) => return Err(failed(&path)(error)),
            }
        }
        if missing.is_empty() {
            Ok(Self { files })
        } else {
            Err(BundleError::Missing { folder: folder.to_owned(), files: missing })
        }
    }

    /// The response, if the request is for a file of the bundle. The official server also responds to POST.
    fn answer(
        &self,
        below: &str,
        request: &Parts,
    ) -> Option<impl Future<Output = Response<Body>> + Send + use<>> {
        let file = self.files.iter().find(|file| file.name == below)?;
        if request.method != Method::GET && request.method != Method::HEAD {
            return None;
        }
        let file = Arc::clone(file);
        let head = request.method == Method::HEAD;
        let known = names(&request.headers, &file.etag);
        let accepted = request.headers.get_all(ACCEPT_ENCODING);
        let coding = engineio::preferred_encoding(accepted, &Coding::ALL.map(Coding::name))
            .map(|place| Coding::ALL[place]);
        Some(async move { if known { file.not_modified() } else { file.send(coding, head).await } })
    }
}

impl File {
    fn new(name: &'static str, plain: Bytes, version: Option<String>) -> Self {
        let tag = version.unwrap_or_else(|| checksum(&plain));
        let etag =
            HeaderValue::try_from(format!("\"{tag}\"")).expect("version and checksum are visible ASCII");
        Self { name, etag, plain, coded: Default::default() }
    }

    /// RFC 9110, section 15.4.5, requires the caching headers of the full response.
    fn not_modified(&self) -> Response<Body> {
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        self.caching(response.headers_mut());
        response
    }

    async fn send(self: &Arc<Self>, coding: Option<Coding>, head: bool) -> Response<Body> {
        let mut response = Response::new(Body::default());
        let headers = response.headers_mut();
        self.caching(headers);
        let content_type = if self.name.ends_with(".map") {
            "application/json; charset=utf-8"
        } else {
            "application/javascript; charset=utf-8"
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let mut body = self.plain.clone();
        if let Some(coding) = coding {
            if let Some(coded) = self.coded(coding).await {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
                body = coded;
            }
        }
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        if !head {
            *response.body_mut() = Body::from(body);
        }
        response
    }

    fn caching(&self, headers: &mut HeaderMap) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=0"));
        headers.insert(ETAG, self.etag.clone());
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }

    async fn coded(self: &Arc<Self>, coding: Coding) -> Option<Bytes> {
        if let Some(coded) = self.coded[coding as usize].get() {
            return coded.clone();
        }
        // In a separate task, so that it completes even if the client disconnects; otherwise clients that
        // connect and disconnect could make the server compress one file again and again.
        let file = Arc::clone(self);
        let compressed = tokio::spawn(async move {
            let plain = file.plain.clone();
            let compressed = file.coded[coding as usize].get_or_init(|| async move {
                let compressed = tokio::task::spawn_blocking(move || coding.compress(&plain)).await;
                Some(compressed.ok()?.ok()?.into())
            });
            compressed.await.clone()
        });
        compressed.await.ok().flatten()
    }
}

impl Coding {
    /// In the official server's order of preference, for clients without a preference.
    const ALL: [Self; 3] = [Self::Brotli, Self::Gzip, Self::Deflate];

    fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    /// With the highest compression level, because it happens once.
    fn compress(self, plain: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Brotli => {
                let mut out = Vec::new();
                let strongest = brotli::enc::BrotliEncoderParams::default();
                brotli::BrotliCompress(&mut &plain[..], &mut out, &strongest)?;
                Ok(out)
            }
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
                encoder.write_all(plain)?;
                encoder.finish()
            }
            Self::Deflate => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
                encoder.write_all(plain)?;
                encoder.finish()
            }
        }
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("name", &self.name).field("etag", &self.etag).finish_non_exhaustive()
    }
}

/// Whether an `If-None-Match` header matches the ETag. "A recipient MUST use the weak comparison function"
/// (RFC 9110, section 13.1.2); the official server does the same.
fn names(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).iter();
    let mut tags =
        values.flat_map(|value| value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii));
    tags.any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes())
}

/// The version of the npm package that contains the folder.
///
/// Only for packages whose files change with their version; the files of a custom build may change without
/// it.
fn version(folder: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
    }
    let text = fs::read(folder.join("..").join("package.json")).ok()?;
    let Package { name, version } = serde_json::from_slice(&text).ok()?;
    let readable = |byte: u8| byte.is_ascii_alphanumeric() || b".-+".contains(&byte);
    let fits = !version.is_empty() && version.bytes().all(readable);
    (fits && PACKAGES.contains(&name.as_str())).then_some(version)
}

/// ETag of a file without a known version.
fn checksum(content: &[u8]) -> String {
    Sha1::digest(content)[..DIGEST].iter().map(|byte| format!("{byte:02x}")).collect()
}
