//! The format of the session cookie, and the values that it refuses.

use super::*;

fn written(cookie: &Cookie) -> String {
    cookie.serialize("s1").to_str().unwrap().to_owned()
}

/// EIO-SRV-037, EIO-SRV-041
#[test]
fn the_default_is_the_official_cookie() {
    assert_eq!(written(&Cookie::new()), "io=s1; Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(written(&Cookie::new().http_only(true)), "io=s1; Path=/; HttpOnly; SameSite=Lax");
}

/// EIO-SRV-038
#[test]
fn the_name_can_be_chosen() {
    assert_eq!(written(&Cookie::new().name("woot").unwrap()), "woot=s1; Path=/; HttpOnly; SameSite=Lax");
}

/// EIO-SRV-039, EIO-SRV-040
#[test]
fn the_path_can_be_chosen_or_left_out() {
    let custom = Cookie::new().path("/custom").unwrap();
    assert_eq!(written(&custom), "io=s1; Path=/custom; HttpOnly; SameSite=Lax");
    assert_eq!(written(&custom.without_path()), "io=s1; HttpOnly; SameSite=Lax");
    assert_eq!(written(&Cookie::new().path("").unwrap()), "io=s1; HttpOnly; SameSite=Lax");
}

/// EIO-SRV-042
#[test]
fn same_site_can_be_chosen_or_left_out() {
    let cookie = Cookie::new();
    assert_eq!(
        written(&cookie.clone().same_site(SameSite::Strict)),
        "io=s1; Path=/; HttpOnly; SameSite=Strict"
    );
    assert_eq!(
        written(&cookie.clone().same_site(SameSite::None).secure(true)),
        "io=s1; Path=/; HttpOnly; Secure; SameSite=None"
    );
    assert_eq!(written(&cookie.without_same_site()), "io=s1; Path=/; HttpOnly");
}

/// EIO-SRV-043
#[test]
fn scripts_can_be_allowed_to_read_it() {
    assert_eq!(written(&Cookie::new().http_only(false)), "io=s1; Path=/; SameSite=Lax");
}

#[test]
fn all_attributes_come_in_the_official_order() {
    let cookie = Cookie::new()
        .same_site(SameSite::Lax)
        .priority(Priority::High)
        .partitioned(true)
        .secure(true)
        .expires(UNIX_EPOCH + Duration::from_secs(1_445_412_480))
        .unwrap()
        .domain(".example.com")
        .unwrap()
        .max_age(Duration::from_millis(3_999));
    assert_eq!(
        written(&cookie),
        "io=s1; Max-Age=3; Domain=.example.com; Path=/; Expires=Wed, 21 Oct 2015 07:28:00 GMT; HttpOnly; Secure; \
         Partitioned; Priority=High; SameSite=Lax"
    );
    let bare = Cookie::new().http_only(false).without_path().without_same_site();
    assert_eq!(written(&bare.clone().priority(Priority::Low)), "io=s1; Priority=Low");
    assert_eq!(written(&bare.clone().priority(Priority::Medium)), "io=s1; Priority=Medium");
    assert_eq!(written(&bare.clone().max_age(Duration::ZERO)), "io=s1; Max-Age=0");
    assert_eq!(written(&bare), "io=s1");
}

/// CVE-2024-47764: in the `cookie` package a name, a path or a domain could add attributes of its own.
#[test]
fn nothing_breaks_out_of_its_attribute() {
    for name in ["", "a b", "a=b", "a;", "a,b", "a\"", "a\r\nb", "a\0", "naïve", "io=1; Domain=evil.example"]
    {
        assert_eq!(Cookie::new().name(name), Err(CookieError::Name), "{name:?}");
    }
    for path in ["/;", "/<script>", "/\n", "/\t", "/\u{7f}", "/ä", "/; Domain=evil.example"] {
        assert_eq!(Cookie::new().path(path), Err(CookieError::Path), "{path:?}");
    }
    let long = "a".repeat(64);
    for domain in [
        ".",
        "..a",
        "a..b",
        "a.",
        "-a",
        "a-",
        "a.-b",
        "a_b",
        "a b",
        "ä.de",
        "a:80",
        "a;b",
        "a\n",
        "a; Secure",
        &long,
    ] {
        assert_eq!(Cookie::new().domain(domain), Err(CookieError::Domain), "{domain:?}");
    }
}

#[test]
fn what_is_not_dangerous_is_allowed() {
    let name = "!#$%&'*+-.^_`|~09azAZ";
    let path = "/a b\"%,=>@[\\]{|}~:";
    for domain in ["localhost", "1.2.3.4", ".a", "xn--a.b-c.D", &"a".repeat(63), ""] {
        let cookie = Cookie::new().name(name).unwrap().path(path).unwrap().domain(domain).unwrap();
        let domain = if domain.is_empty() { String::new() } else { format!("; Domain={domain}") };
        assert_eq!(written(&cookie), format!("{name}=s1{domain}; Path={path}; HttpOnly; SameSite=Lax"));
    }
}

#[test]
fn an_id_of_any_kind_stays_one_value() {
    let cookie = Cookie::new().http_only(false).without_path().without_same_site();
    let write = |sid| cookie.serialize(sid).to_str().unwrap().to_owned();
    assert_eq!(write("AZaz09-_.!~*'()"), "io=AZaz09-_.!~*'()");
    assert_eq!(write("a;b=c, \"\r\n"), "io=a%3Bb%3Dc%2C%20%22%0D%0A");
    assert_eq!(write("é😀"), "io=%C3%A9%F0%9F%98%80");
    assert_eq!(write(""), "io=");
}

#[test]
fn the_header_does_not_show_the_id_in_logs() {
    assert_eq!(format!("{:?}", Cookie::new().serialize("secret")), "Sensitive");
}

#[test]
fn dates_are_those_of_the_calendar() {
    for (seconds, date) in [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
        (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
        (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
        (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
        (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (-62_135_596_800, "Mon, 01 Jan 0001 00:00:00 GMT"),
    ] {
        assert_eq!(http_date(at(seconds)).as_deref(), Some(date));
    }
    // Rounded down, as Node does.
    assert_eq!(http_date(at(0) - Duration::from_millis(1)).as_deref(), Some("Wed, 31 Dec 1969 23:59:59 GMT"));
    for beyond in [at(253_402_300_800), at(-62_135_596_801)] {
        assert_eq!(Cookie::new().expires(beyond), Err(CookieError::Expires));
    }
}

fn at(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
}

proptest::proptest! {
    #[test]
    fn no_setting_that_is_taken_makes_an_invalid_header(
        name in ".{0,8}", path in ".{0,8}", domain in "[-.a;=é ]{0,8}", sid in ".{0,8}",
    ) {
        let cookie = Cookie::new();
        let cookie = cookie.clone().name(&name).unwrap_or(cookie);
        let cookie = cookie.clone().path(&path).unwrap_or(cookie);
        let cookie = cookie.clone().domain(&domain).unwrap_or(cookie);
        let expected = 2 + usize::from(!cookie.domain.is_empty()) + usize::from(!cookie.path.is_empty());
        let value = cookie.serialize(&sid);
        proptest::prop_assert_eq!(value.to_str().unwrap().matches(';').count(), expected);
    }
}
