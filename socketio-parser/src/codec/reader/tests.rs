use super::*;

/// Reads a value of any shape, with every kind of call.
fn walk(reader: &mut Reader<'_>) -> Result<usize, DecodeError> {
    let mut count = 1;
    match reader.kind() {
        Kind::Object => {
            reader.members(|reader, _| {
                count += walk(reader)?;
                Ok::<_, DecodeError>(())
            })?;
        }
        Kind::Array => {
            reader.elements(|reader| {
                count += walk(reader)?;
                Ok::<_, DecodeError>(())
            })?;
        }
        Kind::String => drop(reader.text()?),
        Kind::Number => drop(reader.number()?),
        _ => drop(reader.truthy()?),
    }
    Ok(count)
}

fn read(parser: Parser, message: &[u8]) -> Result<usize, DecodeError> {
    let message = Bytes::copy_from_slice(message);
    let mut reader = Reader::new(parser, &message, 4)?;
    let count = walk(&mut reader)?;
    reader.finish()?;
    // Skipping accepts the same.
    let mut reader = Reader::new(parser, &message, 4)?;
    reader.skip()?;
    reader.finish().map(|()| count)
}

#[test]
fn json_is_checked_while_it_is_read() {
    for (text, count) in [
        (r#" { "a" : [ 1 , "x\u0041" , { } ] , "b\n" : null } "#, 6),
        ("[]", 1),
        ("[[[[]]]]", 4),
        ("-1.5e3", 1),
    ] {
        assert_eq!(read(Parser::Json, text.as_bytes()), Ok(count), "{text}");
    }
    for text in [
        "",
        " ",
        "{",
        "[1",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{1:2}",
        "[1 2]",
        "[1]]",
        "{\"a\":1 \"b\":2}",
        "[[[[[]]]]]",
        "\"",
        "nul",
        "01",
        "[1}",
        "{\"a\":1]",
        "\"\u{1}\"",
    ] {
        assert!(read(Parser::Json, text.as_bytes()).is_err(), "{text}");
    }
    assert_eq!(read(Parser::Json, b"\"\xff\""), Err(DecodeError::Unicode));
}

#[test]
fn msgpack_is_checked_while_it_is_read() {
    for (message, count) in [(&b"\x82\xa1a\x93\x01\xa1x\x80\x01\xc0"[..], 6), (b"\xd4\0\0", 1), (b"\xc3", 1)]
    {
        assert_eq!(read(Parser::Msgpack, message), Ok(count), "{message:?}");
    }
    for message in [
        &b""[..],
        b"\x81",
        b"\x81\xa1a",
        b"\x92\x01",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff\xa1a\x01",
        b"\x81\x90\x01",
        b"\xc1",
        b"\x01\x02",
        b"\x91\x91\x91\x91\x91\x90",
        b"\xa1\xff",
        b"\x81\xa1\xff\x01",
    ] {
        assert!(read(Parser::Msgpack, message).is_err(), "{message:?}");
    }
}

#[test]
fn values_as_javascript_reads_them() {
    let truthy = |parser, message: &'static [u8]| {
        Reader::new(parser, &Bytes::from_static(message), 4).unwrap().truthy().unwrap()
    };
    for (json, msgpack, expected) in [
        (&b"true"[..], &b"\xc3"[..], true),
        (b"false", b"\xc2", false),
        (b"null", b"\xc0", false),
        (b"0", b"\0", false),
        (b"-0.0", b"\xcb\x80\0\0\0\0\0\0\0", false),
        (b"2", b"\x02", true),
        (b"\"\"", b"\xa0", false),
        (b"\"0\"", b"\xa10", true),
        (b"[]", b"\x90", true),
        (b"{}", b"\x80", true),
    ] {
        assert_eq!((truthy(Parser::Json, json), truthy(Parser::Msgpack, msgpack)), (expected, expected));
    }
    let text = Bytes::from_static(br#""\ud800x\u0041""#);
    assert_eq!(Reader::new(Parser::Json, &text, 4).unwrap().text().unwrap().as_deref(), Some("\u{fffd}xA"));
    let text = Bytes::from_static(b"[1]");
    assert_eq!(Reader::new(Parser::Json, &text, 4).unwrap().text(), Ok(None));
}
