//! The session cookie: the session's id in a `Set-Cookie` of the handshake's answer, for load balancers that keep a
//! session on one node by it. The server itself never reads it.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

/// How the session cookie is named and who gets to see it.
///
/// The default is that of the official server: `io=<session id>; Path=/; HttpOnly; SameSite=Lax`. What would break out
/// of its attribute is refused by the setter, so that a `Cookie` is always one cookie. The cost of sending it is one
/// header, in the answer to a handshake over polling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    name: String,
    max_age: Option<u64>,
    /// Empty, as the path: the attribute is left out.
    domain: String,
    path: String,
    /// As it is written.
    expires: Option<String>,
    http_only: bool,
    secure: bool,
    partitioned: bool,
    priority: Option<Priority>,
    same_site: Option<SameSite>,
}

/// Whether browsers send the cookie along with requests that another site causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SameSite {
    /// Never.
    Strict,
    /// Only when the user follows a link to this site.
    Lax,
    /// Always. Browsers then insist on [`Cookie::secure`]. Written into the cookie; to leave the attribute out, see
    /// [`Cookie::without_same_site`].
    None,
}

/// Which cookies a browser drops last when it has too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Priority {
    /// Dropped first.
    Low,
    /// What browsers assume without the attribute.
    Medium,
    /// Dropped last.
    High,
}

/// A value that cannot be written into a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CookieError {
    /// The name is not a token: it is empty, or has a space, a separator or a control character.
    #[error("the cookie's name is not a token")]
    Name,
    /// The domain is not a host name.
    #[error("the cookie's domain is not a host name")]
    Domain,
    /// The path has a semicolon, a `<`, a control character, or something outside of ASCII.
    #[error("the cookie's path has a character that a path cannot have")]
    Path,
    /// The date lies outside of the years 1 to 9999.
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

    /// The path below which browsers send the cookie. Default `/`; an empty path is [`Cookie::without_path`].
    pub fn path(mut self, path: &str) -> Result<Self, CookieError> {
        if !path.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b';' && byte != b'<') {
            return Err(CookieError::Path);
        }
        path.clone_into(&mut self.path);
        Ok(self)
    }

    /// Leaves the path out: browsers then take the directory of the request. (`path: false` of the official server.)
    pub fn without_path(mut self) -> Self {
        self.path.clear();
        self
    }

    /// The host name that gets the cookie, together with all names below it; a leading dot is allowed. Default: none,
    /// so that only the very host which set it gets it back. An empty domain is none.
    pub fn domain(mut self, domain: &str) -> Result<Self, CookieError> {
        if !domain.is_empty() && !is_domain(domain) {
            return Err(CookieError::Domain);
        }
        domain.clone_into(&mut self.domain);
        Ok(self)
    }

    /// How long browsers keep the cookie, in whole seconds. Default: none, until the browser ends.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age.as_secs());
        self
    }

    /// When browsers forget the cookie, whatever the day on which it was set; [`Cookie::max_age`] goes before it.
    /// Default: none, when the browser ends.
    pub fn expires(mut self, expires: SystemTime) -> Result<Self, CookieError> {
        self.expires = Some(http_date(expires).ok_or(CookieError::Expires)?);
        Ok(self)
    }

    /// Whether scripts are kept from reading the cookie. Default true.
    pub fn http_only(mut self, http_only: bool) -> Self {
        self.http_only = http_only;
        self
    }

    /// Whether browsers send the cookie over TLS only. Default false, as the server does not know what is in front
    /// of it; set it wherever there is TLS.
    pub fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Whether browsers keep a cookie of its own for each site that embeds this one. Default false; it wants
    /// [`Cookie::secure`].
    pub fn partitioned(mut self, partitioned: bool) -> Self {
        self.partitioned = partitioned;
        self
    }

    /// How dear the cookie is to a browser that has too many. Default: none, which browsers take for
    /// [`Priority::Medium`].
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Whether browsers send the cookie along with requests that another site causes. Default [`SameSite::Lax`].
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = Some(same_site);
        self
    }

    /// Leaves SameSite out, and thereby to the browser. (`sameSite: false` of the official server.)
    pub fn without_same_site(mut self) -> Self {
        self.same_site = None;
        self
    }

    /// The value of the `Set-Cookie` header that gives `sid` to the client. What a cookie cannot hold is
    /// percent-encoded. The value is marked as sensitive: who has the id, has the session.
    pub(crate) fn serialize(&self, sid: &str) -> HeaderValue {
        let mut text = format!("{}=", self.name);
        encode(sid, &mut text);
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

/// RFC 1034, section 3.5, with the digits in front that RFC 1123 allows, and the dot in front of RFC 2109.
fn is_domain(domain: &str) -> bool {
    domain.strip_prefix('.').unwrap_or(domain).split('.').all(|label| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    })
}

/// Percent-encodes all but what ECMAScript's `encodeURIComponent` leaves alone, which is what the official server puts
/// into its cookies.
fn encode(text: &str, encoded: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
}

/// A date as HTTP writes it (RFC 7231, section 7.1.1.1), if its year has four digits.
fn http_date(time: SystemTime) -> Option<String> {
    const DAY: i64 = 86_400;
    // In whole seconds, rounded down on either side of 1970.
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

/// The year, the month (from 0) and the day (from 1) that lie `days` after the first of January 1970.
///
/// Counted in years that begin in March, so that a leap day is the last of its year, and in periods of 400 years, after
/// which the calendar repeats itself.
fn civil(days: i64) -> (i64, i64, i64) {
    const PERIOD: i64 = 400 * 365 + 97;
    // From the first of March of the year 0.
    let days = days + 719_468;
    let (period, day) = (days.div_euclid(PERIOD), days.rem_euclid(PERIOD));
    // Each leap day before this day makes it seem later in the year by one.
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // From March on, the lengths of the months repeat every five: 153 days.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = (year + 400 * period, month + 2);
    if month < 12 { (year, month, day) } else { (year + 1, month - 12, day) }
}

#[cfg(test)]
mod tests;
