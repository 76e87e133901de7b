//! The session cookie: the session id in a `Set-Cookie` of the handshake's response, for load balancers with
//! sticky sessions. The server itself never reads it.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

use crate::protocol::percent;

/// The name and the attributes of the session cookie.
///
/// The default is that of the official server: `io=<session id>; Path=/; HttpOnly; SameSite=Lax`. The setters
/// refuse values that would add attributes of their own, so a `Cookie` is always one cookie. Cost: one header
/// in the response to a polling handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    name: String,
    max_age: Option<u64>,
    /// If empty, the attribute is left out; the same for the path.
    domain: String,
    path: String,
    /// In the format of the header.
    expires: Option<String>,
    http_only: bool,
    secure: bool,
    partitioned: bool,
    priority: Option<Priority>,
    same_site: Option<SameSite>,
}

/// Whether browsers send the cookie with requests that another site causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SameSite {
    /// Never.
    Strict,
    /// Only when the user follows a link to this site.
    Lax,
    /// Always. Browsers then require [`Cookie::secure`]. The attribute is written into the cookie;
    /// [`Cookie::without_same_site`] leaves it out.
    None,
}

/// The order in which a browser drops cookies when it has too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Priority {
    /// Dropped first.
    Low,
    /// The default of browsers for a cookie without the attribute.
    Medium,
    /// Dropped last.
    High,
}

/// A value that cannot be written into a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CookieError {
    /// The name is not a token: it is empty, or contains a space, a separator or a control character.
    #[error("the cookie's name is not a token")]
    Name,
    /// The domain is not a host name.
    #[error("the cookie's domain is not a host name")]
    Domain,
    /// The path contains a semicolon, a `<`, a control character, or a character outside ASCII.
    #[error("the cookie's path has a character that a path cannot have")]
    Path,
    /// The date is outside the years 1 to 9999.
    #[error("the cookie's expiry date cannot be written")]
    Expires,
}

impl Cookie {
    /// The cookie of the official server: named `io`, path `/`, HttpOnly, SameSite=Lax.
    pub fn new() -> Self {
        Self {
            name: "io".to_owned(),
            max_age: None,
            domain: String::new(),
            path: "/".to_owned(),
            expires: None,
            http_only: true,
            secure: false,
            partitioned: false,
            priority: None,
            same_site: Some(SameSite::Lax),
        }
    }

    /// The name, a token of RFC 7230. Default `io`.
    pub fn name(mut self, name: &str) -> Result<Self, CookieError> {
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(CookieError::Name);
        }
        name.clone_into(&mut self.name);
        Ok(self)
    }

    /// The path below which browsers send the cookie. Default `/`; an empty path is the same as
    /// [`Cookie::without_path`].
    pub fn path(mut self, path: &str) -> Result<Self, CookieError> {
        if !path.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b';' && byte != b'<') {
            return Err(CookieError::Path);
        }
        path.clone_into(&mut self.path);
        Ok(self)
    }

    /// Leaves the path out: browsers then use the directory of the request. (`path: false` of the official
    /// server.)
    pub fn without_path(mut self) -> Self {
        self.path.clear();
        self
    }

    /// The host name that receives the cookie, with all names below it; a leading dot is allowed. Default
    /// none, so only the host that set the cookie receives it. An empty domain is none.
    pub fn domain(mut self, domain: &str) -> Result<Self, CookieError> {
        if !domain.is_empty() && !is_domain(domain) {
            return Err(CookieError::Domain);
        }
        domain.clone_into(&mut self.domain);
        Ok(self)
    }

    /// The lifetime of the cookie in browsers, in whole seconds. Default none: the cookie ends with the
    /// browser session.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age.as_secs());
        self
    }

    /// The expiry date of the cookie in browsers. [`Cookie::max_age`] precedes it. Default none: the cookie
    /// ends with the browser session.
    pub fn expires(mut self, expires: SystemTime) -> Result<Self, CookieError> {
        self.expires = Some(http_date(expires).ok_or(CookieError::Expires)?);
        Ok(self)
    }

    /// Whether the cookie is hidden from scripts. Default true.
    pub fn http_only(mut self, http_only: bool) -> Self {
        self.http_only = http_only;
        self
    }

    /// Whether browsers send the cookie over TLS only. Default false, as the server does not know whether a
    /// proxy adds TLS. Set it wherever TLS is used.
    pub fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Whether browsers keep a separate cookie for each site that embeds this one. Default false; requires
    /// [`Cookie::secure`].
    pub fn partitioned(mut self, partitioned: bool) -> Self {
        self.partitioned = partitioned;
        self
    }

    /// The priority of the cookie in a browser that has too many. Default none, which browsers treat as
    /// [`Priority::Medium`].
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Whether browsers send the cookie with requests that another site causes. Default [`SameSite::Lax`].
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = Some(same_site);
        self
    }

    /// Leaves SameSite out; the browser then applies its default. (`sameSite: false` of the official server.)
    pub fn without_same_site(mut self) -> Self {
        self.same_site = None;
        self
    }

    /// The value of the `Set-Cookie` header that sends `sid` to the client. Characters that a cookie may not
    /// contain are percent-encoded. The value is marked as sensitive: the id gives access to the session.
    pub(crate) fn serialize(&self, sid: &str) -> HeaderValue {
        let mut text = format!("{}=", self.name);
        percent::encode_component(sid, &mut text);
        if let Some(max_age) = self.max_age {
            let _ = write!(text, "; Max-Age={max_age}");
        }
        for (attribute, value) in [
            ("; Domain=", self.domain.as_str()),
            ("; Path=", &self.path),
            ("; Expires=", self.expires.as_deref().unwrap_or_default()),
        ] {
            if !value.is_empty() {
                text.push_str(attribute);
                text.push_str(value);
            }
        }
        for (attribute, set) in
            [("; HttpOnly", self.http_only), ("; Secure", self.secure), ("; Partitioned", self.partitioned)]
        {
            if set {
                text.push_str(attribute);
            }
        }
        text.push_str(match self.priority {
            None => "",
            Some(Priority::Low) => "; Priority=Low",
            Some(Priority::Medium) => "; Priority=Medium",
            Some(Priority::High) => "; Priority=High",
        });
        text.push_str(match self.same_site {
            None => "",
            Some(SameSite::Strict) => "; SameSite=Strict",
            Some(SameSite::Lax) => "; SameSite=Lax",
            Some(SameSite::None) => "; SameSite=None",
        });
        let mut value =
            HeaderValue::try_from(text).expect("the setters and the encoding leave printable ASCII only");
        value.set_sensitive(true);
        value
    }
}

impl Default for Cookie {
    fn default() -> Self {
        Self::new()
    }
}

/// RFC 7230, section 3.2.6: `tchar`.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 1034, section 3.5, with the leading digits that RFC 1123 allows, and the leading dot of RFC 2109.
fn is_domain(domain: &str) -> bool {
    domain.strip_prefix('.').unwrap_or(domain).split('.').all(|label| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    })
}

/// A date in HTTP's format (RFC 7231, section 7.1.1.1), if its year has four digits.
fn http_date(time: SystemTime) -> Option<String> {
    const DAY: i64 = 86_400;
    // Whole seconds, rounded down before and after 1970.
    let seconds = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).ok()?,
        Err(before) => {
            let before = before.duration();
            let whole = i64::try_from(before.as_secs()).ok()?;
            -whole.checked_add(i64::from(before.subsec_nanos() > 0))?
        }
    };
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    if !(1..=9999).contains(&year) {
        return None;
    }
    // 1970 began on a Thursday.
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][days.rem_euclid(7) as usize];
    let month =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][month as usize];
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    Some(format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT"))
}

/// The year, the month (from 0) and the day (from 1) of the date that is `days` after the first of January
/// 1970.
///
/// The algorithm counts years from March, so that a leap day is the last day of its year, and periods of 400
/// years, after which the calendar repeats.
fn civil(days: i64) -> (i64, i64, i64) {
    const PERIOD: i64 = 400 * 365 + 97;
    // Days since the first of March of the year 0.
    let days = days + 719_468;
    let (period, day) = (days.div_euclid(PERIOD), days.rem_euclid(PERIOD));
    // Each leap day before this day moves it one day back in the year.
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // From March on, the lengths of the months repeat every five months: 153 days.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = (year + 400 * period, month + 2);
    if month < 12 { (year, month, day) } else { (year + 1, month - 12, day) }
}

#[cfg(test)]
mod tests;
