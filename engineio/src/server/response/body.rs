//! The body of a response.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// The body of a response: empty, or one piece of known length.
#[derive(Debug, Clone, Default)]
pub struct Body {
    /// Also empty once it has been sent.
    data: Bytes,
}

impl Body {
    pub(crate) fn len(&self) -> usize {
        self.data.len()
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.data
    }
}

impl From<Bytes> for Body {
    fn from(data: Bytes) -> Self {
        Self { data }
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self { data: Bytes::from_static(text.as_bytes()) }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = std::mem::take(&mut self.data);
        Poll::Ready((!data.is_empty()).then(|| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn an_answer_says_how_long_it_is_and_is_sent_once() {
        let mut body = Body::from("ok");
        assert_eq!(body.size_hint().exact(), Some(2));
        assert!(!body.is_end_stream());
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "ok");
        assert!(body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn an_empty_answer_has_no_frame() {
        for mut body in [Body::default(), Body::from(""), Body::from(Bytes::new())] {
            assert!(body.is_end_stream());
            assert_eq!(body.size_hint().exact(), Some(0));
            assert!(body.frame().await.is_none());
        }
    }
}
