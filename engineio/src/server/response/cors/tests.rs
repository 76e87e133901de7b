//! The headers for each kind of origin and each option. The expected headers are those of `cors` 2.8.

use super::*;

fn request(headers: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    map
}

fn from(origin: &str) -> HeaderMap {
    request(&[("origin", origin)])
}

/// All headers, in a fixed order.
fn lines(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    lines.sort();
    lines
}

fn preflight(cors: &Cors, request: &HeaderMap) -> Vec<String> {
    lines(cors.preflight(request).headers())
}

fn actual(cors: &Cors, request: &HeaderMap) -> Vec<String> {
    let mut response = HeaderMap::new();
    cors.decorate(request, &mut response);
    lines(&response)
}

const METHODS: &str = "access-control-allow-methods: GET,HEAD,PUT,PATCH,POST,DELETE";
const REQUEST_HEADERS: &str = "vary: Access-Control-Request-Headers";
const BOTH: &str = "vary: Origin, Access-Control-Request-Headers";

#[test]
fn any_origin_is_a_star() {
    for cors in [Cors::any(), Cors::default(), Cors::origin("*").unwrap()] {
        for request in [from("http://a.test"), HeaderMap::new()] {
            assert_eq!(actual(&cors, &request), ["access-control-allow-origin: *"]);
            assert_eq!(
                preflight(&cors, &request),
                [METHODS, "access-control-allow-origin: *", "content-length: 0", REQUEST_HEADERS]
            );
            assert_eq!(cors.preflight(&request).status(), StatusCode::NO_CONTENT);
        }
    }
    // A browser refuses this pair, so no user's cookies are sent.
    assert_eq!(
        actual(&Cors::any().credentials(true), &from("http://a.test")),
        ["access-control-allow-credentials: true", "access-control-allow-origin: *"]
    );
}

/// EIO-SRV-172
#[test]
fn a_preflight_is_answered_for_a_reflected_origin() {
    let cors = Cors::reflect().allowed_headers(["my-header"]).unwrap().credentials(true);
    let request = from("http://engine.io");
    assert_eq!(
        preflight(&cors, &request),
        [
            "access-control-allow-credentials: true",
            "access-control-allow-headers: my-header",
            METHODS,
            "access-control-allow-origin: http://engine.io",
            "content-length: 0",
            "vary: Origin",
        ]
    );
    assert_eq!(cors.preflight(&request).status(), StatusCode::NO_CONTENT);
}

/// EIO-SRV-173
#[test]
fn an_actual_answer_has_neither_methods_nor_headers() {
    let cors = Cors::reflect().allowed_headers(["my-header"]).unwrap().credentials(true);
    assert_eq!(
        actual(&cors, &from("http://engine.io")),
        [
            "access-control-allow-credentials: true",
            "access-control-allow-origin: http://engine.io",
            "vary: Origin"
        ]
    );
    assert_eq!(actual(&Cors::reflect(), &HeaderMap::new()), ["vary: Origin"]);
}

/// EIO-SRV-174
#[test]
fn an_origin_that_is_not_listed_is_not_allowed() {
    let cors = Cors::origins(["http://good-domain.com"]);
    let bad = from("http://bad-domain.com");
    assert_eq!(preflight(&cors, &bad), [METHODS, "content-length: 0", BOTH]);
    assert_eq!(cors.preflight(&bad).status(), StatusCode::NO_CONTENT);
    assert_eq!(actual(&cors, &bad), ["vary: Origin"]);
}

/// EIO-SRV-175
#[test]
fn every_option_is_honoured() {
    let cors = Cors::origin("http://good-domain.com")
        .and_then(|cors| cors.methods(["GET", "PUT", "POST"]))
        .and_then(|cors| cors.allowed_headers(["my-header"]))
        .and_then(|cors| cors.exposed_headers(["my-exposed-header"]))
        .unwrap()
        .credentials(true)
        .max_age(Duration::from_secs(123))
        .options_success_status(StatusCode::OK);
    let request = from("http://good-domain.com");
    assert_eq!(
        preflight(&cors, &request),
        [
            "access-control-allow-credentials: true",
            "access-control-allow-headers: my-header",
            "access-control-allow-methods: GET,PUT,POST",
            "access-control-allow-origin: http://good-domain.com",
            "access-control-expose-headers: my-exposed-header",
            "access-control-max-age: 123",
            "content-length: 0",
            "vary: Origin",
        ]
    );
    assert_eq!(cors.preflight(&request).status(), StatusCode::OK);
    assert_eq!(
        actual(&cors, &request),
        [
            "access-control-allow-credentials: true",
            "access-control-allow-origin: http://good-domain.com",
            "access-control-expose-headers: my-exposed-header",
            "vary: Origin",
        ]
    );
}

#[test]
fn a_fixed_origin_is_sent_to_everyone() {
    let cors = Cors::origin("http://good.test").unwrap();
    for request in [from("http://good.test"), from("http://bad.test"), HeaderMap::new()] {
        assert_eq!(
            actual(&cors, &request),
            ["access-control-allow-origin: http://good.test", "vary: Origin"]
        );
    }
}

#[test]
fn listed_origins_are_compared_whole() {
    let cors = Cors::origins(["http://a.test", "https://b.test:8443", "null", "*"]);
    for origin in ["http://a.test", "https://b.test:8443", "null"] {
        assert_eq!(
            actual(&cors, &from(origin)),
            [&format!("access-control-allow-origin: {origin}"), "vary: Origin"]
        );
    }
    for origin in [
        "",
        "http://A.test",
        "https://a.test",
        "http://a.test/",
        "http://a.test.evil.test",
        "http://a.test:80",
        "http://a.test,",
    ] {
        assert_eq!(actual(&cors, &from(origin)), ["vary: Origin"], "{origin:?}");
    }
}

#[test]
fn matching_origins_are_those_that_the_function_allows() {
    let cors = Cors::matching(|origin| origin.ends_with(".good.test"));
    assert_eq!(
        actual(&cors, &from("https://x.good.test")),
        ["access-control-allow-origin: https://x.good.test", "vary: Origin"]
    );
    for refused in [from("https://good.test.evil.test"), from("http://é.good.test"), HeaderMap::new()] {
        assert_eq!(actual(&cors, &refused), ["vary: Origin"]);
    }
}

/// With credentials, an origin is sent back only if the configuration allows it.
#[test]
fn credentials_are_never_granted_to_a_refused_origin() {
    let configured = [
        Cors::origin("https://good.test").unwrap(),
        Cors::origins(["https://good.test"]),
        Cors::origins::<[&str; 0]>([]),
        Cors::matching(|origin| origin == "https://good.test"),
        Cors::any(),
    ];
    for cors in configured.map(|cors| cors.credentials(true)) {
        for origin in ["https://evil.test", "null", "https://good.test.evil.test", "", "*"] {
            let mut answers = [cors.preflight(&from(origin)).headers().clone(), HeaderMap::new()];
            cors.decorate(&from(origin), &mut answers[1]);
            for answer in answers {
                let allowed = answer.get(ACCESS_CONTROL_ALLOW_ORIGIN);
                // The configured origin, or the star, which browsers refuse together with credentials.
                assert!(
                    allowed.is_none_or(|allowed| allowed == "https://good.test"
                        || (allowed == "*" && matches!(cors.origin, Origin::Any))),
                    "{cors:?} {origin:?}"
                );
            }
        }
    }
}

#[test]
fn two_origins_are_none() {
    let two = request(&[("origin", "http://a.test"), ("origin", "http://b.test")]);
    assert_eq!(actual(&Cors::origins(["http://a.test", "http://b.test"]), &two), ["vary: Origin"]);
    assert_eq!(actual(&Cors::matching(|origin| !origin.contains(',')), &two), ["vary: Origin"]);
}

#[test]
fn without_allowed_headers_those_asked_for_are_allowed() {
    let asked = request(&[
        ("origin", "http://a.test"),
        ("access-control-request-headers", "x-one, X-Two"),
        ("access-control-request-headers", "x-three"),
    ]);
    assert_eq!(
        preflight(&Cors::reflect(), &asked),
        [
            "access-control-allow-headers: x-one, X-Two, x-three",
            METHODS,
            "access-control-allow-origin: http://a.test",
            "content-length: 0",
            BOTH,
        ]
    );
    // An empty list leaves the header out.
    let cors = Cors::any().allowed_headers::<[&str; 0]>([]).unwrap();
    assert_eq!(preflight(&cors, &asked), [METHODS, "access-control-allow-origin: *", "content-length: 0"]);
}

#[test]
fn empty_lists_are_left_out() {
    let cors = Cors::any().methods::<[&str; 0]>([]).unwrap().exposed_headers::<[&str; 0]>([]).unwrap();
    assert_eq!(
        preflight(&cors, &HeaderMap::new()),
        ["access-control-allow-origin: *", "content-length: 0", REQUEST_HEADERS]
    );
}

#[test]
fn options_take_the_types_of_http_too() {
    let cors = Cors::any()
        .methods([http::Method::GET, http::Method::POST])
        .and_then(|cors| cors.allowed_headers([http::header::AUTHORIZATION]))
        .and_then(|cors| cors.exposed_headers(vec![String::from("x-a"), String::from("x-b")]))
        .unwrap()
        .max_age(Duration::ZERO);
    assert_eq!(
        preflight(&cors, &HeaderMap::new()),
        [
            "access-control-allow-headers: authorization",
            "access-control-allow-methods: GET,POST",
            "access-control-allow-origin: *",
            "access-control-expose-headers: x-a,x-b",
            "access-control-max-age: 0",
            "content-length: 0",
        ]
    );
}

#[test]
fn a_preflight_that_goes_on_has_its_headers() {
    let cors = Cors::any().preflight_continue(true);
    assert!(cors.continues_preflight());
    assert!(!Cors::any().continues_preflight());
    let mut response = HeaderMap::new();
    cors.decorate_preflight(&HeaderMap::new(), &mut response);
    assert_eq!(lines(&response), [METHODS, "access-control-allow-origin: *", REQUEST_HEADERS]);
}

#[test]
fn what_cannot_be_sent_is_refused_at_once() {
    for bad in ["a\r\nset-cookie: b", "\0", "é"] {
        assert_eq!(Cors::origin(bad).unwrap_err().option, "origin");
        assert_eq!(Cors::any().methods(["GET", bad]).unwrap_err().option, "methods");
        assert_eq!(Cors::any().allowed_headers([bad]).unwrap_err().option, "allowed_headers");
        assert_eq!(Cors::any().exposed_headers([bad]).unwrap_err().option, "exposed_headers");
    }
}

#[test]
fn vary_is_added_to_what_is_there() {
    for (present, expected) in [
        (&["Accept-Encoding"][..], "Accept-Encoding, Origin"),
        (&["accept", "cookie"], "accept, cookie, Origin"),
        (&["accept , origin"], "accept , origin"),
        (&["*"], "*"),
        (&["accept, *"], "*"),
        (&[""], "Origin"),
        (&["x-origin"], "x-origin, Origin"),
    ] {
        let mut response = HeaderMap::new();
        for value in present {
            response.append(VARY, HeaderValue::from_static(value));
        }
        Cors::reflect().decorate(&HeaderMap::new(), &mut response);
        assert_eq!(lines(&response), [format!("vary: {expected}")], "{present:?}");
    }
}

#[test]
fn what_another_layer_allowed_is_replaced() {
    let mut response = HeaderMap::new();
    response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("http://other.test"));
    Cors::any().decorate(&HeaderMap::new(), &mut response);
    assert_eq!(lines(&response), ["access-control-allow-origin: *"]);
}
