//! CORS headers of the server.

use engineio::client::ClientBuilder;
use http::header::{self, HeaderMap, HeaderValue};

/// Sends a request as a browser does for a page of this origin, and checks the headers of the response.
pub(crate) async fn check(engine: &ClientBuilder, origin: &HeaderValue) -> Result<String, String> {
    let engine = engine.clone().header(header::ORIGIN, origin.clone());
    let response = engine.first_answer().await.map_err(|error| error.to_string())?;
    let name = String::from_utf8_lossy(origin.as_bytes());
    if !response.status.is_success() {
        return Err(format!("status {}: the server refuses pages of {name}", response.status.as_u16()));
    }
    evaluate(&response.headers, origin)
}

fn evaluate(headers: &HeaderMap, origin: &HeaderValue) -> Result<String, String> {
    let name = String::from_utf8_lossy(origin.as_bytes());
    let mut allowed = headers.get_all(header::ACCESS_CONTROL_ALLOW_ORIGIN).iter();
    let Some(first) = allowed.next() else {
        return Err(format!(
            "the header Access-Control-Allow-Origin is missing, so browsers block polling from pages of {name}: set the server's option cors"
        ));
    };
    if allowed.next().is_some() {
        return Err(
            "the header Access-Control-Allow-Origin occurs twice, which browsers refuse: only one of server and proxy may set it"
                .to_owned(),
        );
    }
    let credentials =
        headers.get(header::ACCESS_CONTROL_ALLOW_CREDENTIALS).is_some_and(|value| value == "true");
    match (first == "*", credentials) {
        (true, true) => Err(
            "Access-Control-Allow-Origin is * and Access-Control-Allow-Credentials is true, which browsers refuse with withCredentials: the server must send the origin itself"
                .to_owned(),
        ),
        (true, false) => Ok("pages of all origins may connect, but not with withCredentials".to_owned()),
        (false, _) if first != origin => Err(format!(
            "Access-Control-Allow-Origin is {}, not {name}: scheme, host and port must be equal",
            String::from_utf8_lossy(first.as_bytes())
        )),
        (false, true) => Ok(format!("pages of {name} may connect, also with withCredentials")),
        (false, false) => Ok(format!("pages of {name} may connect, but not with withCredentials")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(headers: &[(header::HeaderName, &'static str)]) -> String {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect::<Vec<_>>();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        evaluate(&map, &HeaderValue::from_static("https://a.example")).unwrap_or_else(|problem| problem)
    }

    #[test]
    fn each_combination_of_headers_has_an_explanation() {
        use header::{
            ACCESS_CONTROL_ALLOW_CREDENTIALS as CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN as ORIGIN,
        };
        for (headers, expected) in [
            (&[][..], "the header Access-Control-Allow-Origin is missing"),
            (&[(ORIGIN, "*"), (ORIGIN, "*")], "the header Access-Control-Allow-Origin occurs twice"),
            (&[(ORIGIN, "*"), (CREDENTIALS, "true")], "which browsers refuse with withCredentials"),
            (&[(ORIGIN, "*")], "all origins may connect, but not with withCredentials"),
            (&[(ORIGIN, "http://a.example")], "is http://a.example, not https://a.example"),
            (&[(ORIGIN, "https://a.example")], "may connect, but not with withCredentials"),
            (
                &[(ORIGIN, "https://a.example"), (CREDENTIALS, "true")],
                "may connect, also with withCredentials",
            ),
        ] {
            let sentence = sentence(headers);
            assert!(sentence.contains(expected), "{sentence}");
        }
    }
}
