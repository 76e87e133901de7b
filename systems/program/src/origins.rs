//! Whose pages may connect.

use engineio::Origins;
use socketio_server::ServerBuilder;

/// Lets in pages of these origins, and whoever is no page. `credentials`: whether pages may send cookies.
pub fn only_from(builder: ServerBuilder, origins: &Origins, credentials: bool) -> ServerBuilder {
    let builder = match origins.cors(credentials) {
        Some(cors) => builder.cors(cors),
        None => builder,
    };
    let origins = origins.clone();
    builder.engine(move |engine| {
        // Browsers ask nobody before they open a WebSocket, so the headers alone keep nobody out.
        engine.allow_request(move |request| {
            let allowed = origins.allow(&request.headers);
            async move { if allowed { Ok(()) } else { Err("this origin is not allowed".to_owned()) } }
        })
    })
}
