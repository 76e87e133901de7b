//! Whether browsers let a page see what the server answers.

use engineio::client::ClientBuilder;
use http::header::{self, HeaderMap, HeaderValue};

/// Asks as a page of this origin does. What is well, or what is wrong.
pub(crate) async fn check(engine: &ClientBuilder, origin: &HeaderValue) -> Result<String, String> {
    let engine = engine.clone().header(header::ORIGIN, origin.clone());
    let answer = engine.first_answer().await.map_err(|error| error.to_string())?;
    let name = String::from_utf8_lossy(origin.as_bytes());
    if !answer.status.is_success() {
        return Err(format!("{}: the server does not let pages of {name} in", answer.status.as_u16()));
    }
    judge(&answer.headers, origin)
}

fn judge(headers: &HeaderMap, origin: &HeaderValue) -> Result<String, String> {
    let name = String::from_utf8_lossy(origin.as_bytes());
    let mut allowed = headers.get_all(header::ACCESS_CONTROL_ALLOW_ORIGIN).iter();
    let Some(first) = allowed.next() else {
        return Err(format!(
            "there is no Access-Control-Allow-Origin, so browsers keep polling from pages of {name}: see the server's option cors"
        ));
    };
    if allowed.next().is_some() {
        return Err(
            "there are two Access-Control-Allow-Origin, which browsers refuse: one of the server and a proxy is to leave it to the other"
                .to_owned(),
        );
    }
    let credentials =
        headers.get(header::ACCESS_CONTROL_ALLOW_CREDENTIALS).is_some_and(|value| value == "true");
    match (first == "*", credentials) {
        (true, true) => Err(
            "Access-Control-Allow-Origin is * and Access-Control-Allow-Credentials true, which browsers refuse with withCredentials: the origin has to be named"
                .to_owned(),
        ),
        (true, false) => Ok(format!("pages of {name} may connect, as all may, but not withCredentials")),
        (false, _) if first != origin => Err(format!(
            "Access-Control-Allow-Origin is {}, not {name}: scheme, host and port have to be the same",
            String::from_utf8_lossy(first.as_bytes())
        )),
        (false, true) => Ok(format!("pages of {name} may connect, also withCredentials")),
        (false, false) => Ok(format!("pages of {name} may connect, but not withCredentials")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(headers: &[(header::HeaderName, &'static str)]) -> String {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect::<Vec<_>>();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        judge(&map, &HeaderValue::from_static("https://a.example")).unwrap_or_else(|wrong| wrong)
    }

    #[test]
    fn every_answer_has_its_sentence() {
        use header::{
            ACCESS_CONTROL_ALLOW_CREDENTIALS as CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN as ORIGIN,
        };
        for (headers, sentence) in [
            (&[][..], "there is no Access-Control-Allow-Origin"),
            (&[(ORIGIN, "*"), (ORIGIN, "*")], "there are two Access-Control-Allow-Origin"),
            (&[(ORIGIN, "*"), (CREDENTIALS, "true")], "which browsers refuse with withCredentials"),
            (&[(ORIGIN, "*")], "as all may, but not withCredentials"),
            (&[(ORIGIN, "http://a.example")], "is http://a.example, not https://a.example"),
            (&[(ORIGIN, "https://a.example")], "may connect, but not withCredentials"),
            (&[(ORIGIN, "https://a.example"), (CREDENTIALS, "true")], "may connect, also withCredentials"),
        ] {
            assert!(judged(headers).contains(sentence), "{}", judged(headers));
        }
    }
}
