//! One msgpack token: a scalar with its content, or the header of a container.

/// The token at a position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Token<'a> {
    Nil,
    /// notepack's extension of type 0 with one byte.
    Undefined,
    Bool(bool),
    Unsigned(u64),
    /// A negative integer.
    Signed(i64),
    Float(f64),
    /// Not yet validated as UTF-8.
    Str(&'a [u8]),
    /// Also notepack's extension of type 0, an `ArrayBuffer`.
    Bin(&'a [u8]),
    /// notepack's extension of type 0 with eight bytes: milliseconds since 1970.
    Date(i64),
    /// Any other extension. notepack decodes it as an array of its type and its bytes.
    Ext(i8, &'a [u8]),
    // As wide as the numbers: reading eight bytes that were written as four and four stalls the processor.
    /// The header of an array, with the number of its elements.
    Array(u64),
    /// The header of a map, with the number of its entries.
    Map(u64),
}

/// The token at `at` and the position of the next one. `None` if there is no valid token.
#[inline(always)]
pub(crate) fn token(bytes: &[u8], at: usize) -> Option<(Token<'_>, usize)> {
    let mut reader = Reader { bytes, at };
    let token = reader.token()?;
    Some((token, reader.at))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    #[inline(always)]
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.bytes.get(self.at..)?.first_chunk::<N>()?;
        self.at += N;
        Some(*bytes)
    }

    #[inline(always)]
    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    #[inline(always)]
    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline(always)]
    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    #[inline(always)]
    fn slice(&mut self, length: u32) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length as usize)?;
        let slice = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(slice)
    }

    fn ext(&mut self, length: u32, fixed: bool) -> Option<Token<'a>> {
        let kind = i8::from_be_bytes(self.array()?);
        let content = self.slice(length)?;
        Some(match (kind, fixed, content) {
            (0, true, [_]) => Token::Undefined,
            (0, true, content) => match content.first_chunk::<8>() {
                Some(time) if content.len() == 8 => Token::Date(i64::from_be_bytes(*time)),
                _ => Token::Ext(0, content),
            },
            (0, false, content) => Token::Bin(content),
            (kind, _, content) => Token::Ext(kind, content),
        })
    }

    #[inline(always)]
    fn token(&mut self) -> Option<Token<'a>> {
        let signed = |value: i64| match u64::try_from(value) {
            Ok(value) => Token::Unsigned(value),
            Err(_) => Token::Signed(value),
        };
        Some(match self.u8()? {
            byte @ 0x00..=0x7f => Token::Unsigned(u64::from(byte)),
            byte @ 0x80..=0x8f => Token::Map(u64::from(byte & 0x0f)),
            byte @ 0x90..=0x9f => Token::Array(u64::from(byte & 0x0f)),
            byte @ 0xa0..=0xbf => Token::Str(self.slice(u32::from(byte & 0x1f))?),
            0xc0 => Token::Nil,
            // "Never used", says the specification.
            0xc1 => return None,
            0xc2 => Token::Bool(false),
            0xc3 => Token::Bool(true),
            0xc4 => self.u8().and_then(|length| self.slice(length.into())).map(Token::Bin)?,
            0xc5 => self.u16().and_then(|length| self.slice(length.into())).map(Token::Bin)?,
            0xc6 => self.u32().and_then(|length| self.slice(length)).map(Token::Bin)?,
            0xc7 => self.u8().and_then(|length| self.ext(length.into(), false))?,
            0xc8 => self.u16().and_then(|length| self.ext(length.into(), false))?,
            0xc9 => self.u32().and_then(|length| self.ext(length, false))?,
            0xca => Token::Float(f64::from(f32::from_be_bytes(self.array()?))),
            0xcb => Token::Float(f64::from_be_bytes(self.array()?)),
            0xcc => Token::Unsigned(self.u8()?.into()),
            0xcd => Token::Unsigned(self.u16()?.into()),
            0xce => Token::Unsigned(self.u32()?.into()),
            0xcf => Token::Unsigned(u64::from_be_bytes(self.array()?)),
            0xd0 => signed(i8::from_be_bytes(self.array()?).into()),
            0xd1 => signed(i16::from_be_bytes(self.array()?).into()),
            0xd2 => signed(i32::from_be_bytes(self.array()?).into()),
            0xd3 => signed(i64::from_be_bytes(self.array()?)),
            0xd4 => self.ext(1, true)?,
            0xd5 => self.ext(2, true)?,
            0xd6 => self.ext(4, true)?,
            0xd7 => self.ext(8, true)?,
            0xd8 => self.ext(16, true)?,
            0xd9 => self.u8().and_then(|length| self.slice(length.into())).map(Token::Str)?,
            0xda => self.u16().and_then(|length| self.slice(length.into())).map(Token::Str)?,
            0xdb => self.u32().and_then(|length| self.slice(length)).map(Token::Str)?,
            0xdc => Token::Array(self.u16()?.into()),
            0xdd => Token::Array(self.u32()?.into()),
            0xde => Token::Map(self.u16()?.into()),
            0xdf => Token::Map(self.u32()?.into()),
            byte @ 0xe0..=0xff => signed(i8::from_be_bytes([byte]).into()),
        })
    }
}
