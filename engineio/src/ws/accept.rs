//! stub
use http::Response;
use http::request::Parts;
pub(crate) struct AcceptError;
impl AcceptError {
    pub(crate) fn into_response(self) -> Response<()> {
        Response::new(())
    }
}
pub(crate) fn accept(_p: &Parts) -> Result<Response<()>, AcceptError> {
    Err(AcceptError)
}
