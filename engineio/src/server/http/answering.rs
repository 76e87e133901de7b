//! The service behind a connection, and the bodies of its responses.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;

use super::incoming::RequestBody;
use crate::io::Upgrading;
use crate::server::response::body::Body;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A service that answers the requests of a connection.
pub(crate) trait Answering: Send + Sync {
    /// Whether the connection limits the time for the body of a request. Otherwise the service does.
    const LIMITS_BODY: bool;

    /// The response to a request. `upgrading` is its connection, if the request asks for another protocol.
    fn answer(
        &self,
        request: Request<RequestBody>,
        upgrading: Option<Upgrading>,
    ) -> impl Future<Output = Response<ResponseBody>> + Send;

    /// Whether each request is the last one of its connection.
    fn is_closing(&self) -> bool;
}

/// The body of a response.
pub(crate) enum ResponseBody {
    /// One piece.
    Whole(Body),
    /// Pieces as they arrive.
    Stream(Stream),
}

pub(crate) type Stream = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send>>;

impl ResponseBody {
    pub(super) fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let mut body = Some(body);
        let whole = (&mut body as &mut dyn Any).downcast_mut::<Option<Body>>().and_then(Option::take);
        match (whole, body) {
            (Some(whole), _) => Self::Whole(whole),
            (None, Some(body)) if !body.is_end_stream() => Self::Stream(Box::pin(body.map_err(Into::into))),
            (None, _) => Self::Whole(Body::default()),
        }
    }
}
