//! Valid and invalid requests: each part is picked from valid forms and from forms on which readers are known
//! to disagree, and then bytes may be changed.

use tests::random::Random;

const METHODS: &[&[u8]] = &[
    b"GET",
    b"POST",
    b"PUT",
    b"HEAD",
    b"DELETE",
    b"OPTIONS",
    b"PATCH",
    b"PURGE",
    b"get",
    b"M-SEARCH",
    b"BREW",
    b"G_T",
    b"G@T",
    b"",
];
const TARGETS: &[&[u8]] = &[
    b"/",
    b"/a",
    b"/a?b=c&d",
    b"/a//b",
    b"/a/../b",
    b"/%2e%2e/%00",
    b"/a%",
    b"/a#b",
    b"/#",
    b"/a?b#c",
    b"/<a>",
    b"/a|b",
    b"/a\"b",
    b"/{a}",
    b"/a\\b",
    b"/a\xc3\xa9",
    b"/a\xff",
    b"http://a/x?y",
    b"http://b/x",
    b"http://a",
    b"//a/b",
    b"*",
    b"a:80",
    b"a",
    b"",
    b"/a b",
    b"/a\tb",
    b"/a;b",
    b"/a\x7f",
    b"/a\x01",
    b"?a",
    b"/a?b?c",
    b"https://a/",
    b"ftp://a/b",
];
const VERSIONS: &[&[u8]] = &[
    b"HTTP/1.0",
    b"HTTP/1.1",
    b"HTTP/1.2",
    b"HTTP/2.0",
    b"HTTP/0.9",
    b"http/1.1",
    b"HTTP/1.1 ",
    b"HTTP/1.10",
    b"HTTP/01.1",
    b"HTTP/1,1",
    b"HTTPS/1.1",
    b"",
    b"ICE/1.0",
    b"RTSP/1.0",
];
const LENGTHS: &[&[u8]] = &[
    b"0",
    b"00",
    b"3",
    b"03",
    b"+3",
    b"-3",
    b"3 ",
    b" 3",
    b"3,3",
    b"3, 3",
    b"3 3",
    b"0x3",
    b"3\t",
    b"",
    b"3;",
    b"3.0",
    b"18446744073709551616",
    b"18446744073709551619",
    b"\x0b3",
    b"3\x0c",
    b"3_",
    b"000000000000000000000003",
];
const CODINGS: &[&[u8]] = &[
    b"chunked",
    b"Chunked",
    b"CHUNKED",
    b" chunked ",
    b"chunked,",
    b",chunked",
    b"chunked, chunked",
    b"gzip, chunked",
    b"chunked, gzip",
    b"identity",
    b"identity, chunked",
    b"chunked;a=b",
    b"\x0bchunked",
    b"xchunked",
    b"chunked\x0c",
    b"",
    b"\"chunked\"",
    b"chunke",
    b"chunked\t",
];
const NAMES: &[&[u8]] = &[
    b"Content-Length",
    b"content-length",
    b"CONTENT-LENGTH",
    b"Content-Length ",
    b" Content-Length",
    b"Content_Length",
    b"Content-Length\t",
    b"Content-\x00Length",
    b"\x0bContent-Length",
];
const CODING_NAMES: &[&[u8]] = &[
    b"Transfer-Encoding",
    b"transfer-encoding",
    b"Transfer-Encoding ",
    b" Transfer-Encoding",
    b"Transfer_Encoding",
    b"Transfer-Encoding\t",
    b"Transfer\xadEncoding",
];
const OTHERS: &[&[u8]] = &[
    b"X-A: b",
    b"X-A:b",
    b"X-A:",
    b"X-A : b",
    b"X-A",
    b": b",
    b" X-A: b",
    b"\tX-A: b",
    b"X-A: b\r\n c",
    b"X-A: b\r\n\tc",
    b"X A: b",
    b"X-A: \x00",
    b"X-A: \x01",
    b"X-A: b\rc",
    b"X-A: b\rContent-Length: 3",
    b"X-A: \xff",
    b"X-A: \x7f",
    b"X(A): b",
    b"X-A: b\nX-B: c",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: Close, x",
    b"Connection: keep-alive, close",
    b"Connection: Content-Length",
    b"Connection: Transfer-Encoding",
    b"Expect: 100-continue",
    b"Expect: x",
    b"Host: b",
    b"Host: a",
    b"Upgrade: x",
    b"Connection: Upgrade\r\nUpgrade: x",
    b"Trailer: a",
    b"TE: trailers",
    b"X-HTTP-Method-Override: PUT",
    b"Content-Encoding: gzip",
    b"X-A: b ",
    b"Proxy-Connection: close",
    b"Keep-Alive: 1",
    b"X_A: b",
    b"Date:",
    b"X-\xe9: b",
];
const HOSTS: &[&[u8]] = &[
    b"Host:",
    b"Host: ",
    b"Host: a b",
    b"Host: a/b",
    b"Host: a@b",
    b"Host: a,b",
    b"Host: [::1]",
    b"host: A:80",
    b"",
];
const ENDS: &[&[u8]] = &[b"\n", b"\r\r\n", b"\r", b"\n\r", b"\r\n\r\n", b" \r\n", b""];
const SIZES: &[&[u8]] = &[
    b"3",
    b"03",
    b"0x3",
    b"3 ",
    b"3\t",
    b" 3",
    b"3;a",
    b"3;a=b",
    b"3;a=\"b\"",
    b"3 ;a",
    b"3; a",
    b"3 5",
    b"+3",
    b"-3",
    b"",
    b"3;",
    b"3;a\n",
    b"3;\x00",
    b"3;a=\"\r\n\"",
    b"3\r",
    b"g",
    b"00000000000000003",
    b"10000000000000003",
    b"3,",
    b"3;;",
    b"3;a\rb",
    b"0000000000000000000000000000000003",
];
const TRAILERS: &[&[u8]] = &[
    b"A: b\r\n",
    b"A: b\n",
    b"A\r\n",
    b"Content-Length: 3\r\n",
    b" a: b\r\n",
    b"A : b\r\n",
    b"A: \x00\r\n",
    b"\n",
    b"A: b\r\n c\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"A: b\rc\r\n",
    b"Host: b\r\n",
    b": b\r\n",
];
/// Replacement bytes for mutations.
const BYTES: &[u8] = b"\r\n \t:;,0139af\x00\x0b\x0c\x7f\x80\xff#?/%\"-+_xG";

/// Several requests in a row, as one client sends them.
pub(crate) fn input(random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    if random.once_in(20) {
        out.extend_from_slice(random.pick(&[&b"\r\n"[..], b"\r\n\r\n", b"\n", b"\r", b" "]));
    }
    // Rarity of unusual parts: an input with a single difference is the most informative.
    let rarity = random.pick(&[&[4usize][..], &[12], &[12], &[40], &[1000]])[0];
    for _ in 0..1 + random.below(3) {
        request(random, rarity, &mut out);
    }
    if random.once_in(3) {
        for _ in 0..1 + random.below(2) {
            mutate(random, &mut out);
        }
    }
    // A reader that finds another end of the previous request does not see this one.
    out.extend_from_slice(b"GET /last HTTP/1.1\r\nHost: a\r\n\r\n");
    out
}

fn request(random: &mut Random, rarity: usize, out: &mut Vec<u8>) {
    let odd = |random: &mut Random| random.once_in(rarity);
    let with_body = random.once_in(2);
    let method: &[u8] = if with_body { b"POST" } else { b"GET" };
    out.extend_from_slice(if odd(random) { random.pick(METHODS) } else { method });
    out.extend_from_slice(if odd(random) { random.pick(&[&b"  "[..], b"\t", b"", b" \t"]) } else { b" " });
    out.extend_from_slice(if odd(random) { random.pick(TARGETS) } else { random.pick(&TARGETS[..3]) });
    out.extend_from_slice(if odd(random) { random.pick(&[&b"  "[..], b"\t", b"", b"\x0b"]) } else { b" " });
    out.extend_from_slice(if odd(random) { random.pick(VERSIONS) } else { b"HTTP/1.1" });
    end(random, rarity, out);
    let host = if odd(random) { random.pick(HOSTS) } else { b"Host: a" };
    if !host.is_empty() {
        out.extend_from_slice(host);
        end(random, rarity, out);
    }
    while odd(random) {
        out.extend_from_slice(random.pick(OTHERS));
        end(random, rarity, out);
        if random.once_in(2) {
            break;
        }
    }
    let chunked = with_body && random.once_in(2);
    let (counts, codes) = (with_body && !chunked || odd(random), chunked || odd(random));
    if counts {
        for _ in 0..if odd(random) { 2 } else { 1 } {
            out.extend_from_slice(if odd(random) { random.pick(NAMES) } else { b"Content-Length" });
            out.extend_from_slice(if odd(random) { b":" } else { b": " });
            out.extend_from_slice(if odd(random) { random.pick(LENGTHS) } else { b"3" });
            end(random, rarity, out);
        }
    }
    if codes {
        for _ in 0..if odd(random) { 2 } else { 1 } {
            out.extend_from_slice(if odd(random) { random.pick(CODING_NAMES) } else { b"Transfer-Encoding" });
            out.extend_from_slice(if odd(random) { b":" } else { b": " });
            out.extend_from_slice(if odd(random) { random.pick(CODINGS) } else { b"chunked" });
            end(random, rarity, out);
        }
    }
    end(random, rarity, out);
    if chunked {
        for _ in 0..random.below(3) {
            out.extend_from_slice(if odd(random) { random.pick(SIZES) } else { b"3" });
            end(random, rarity, out);
            out.extend_from_slice(b"abc");
            end(random, rarity, out);
        }
        out.extend_from_slice(if odd(random) {
            random.pick(&[&b"00"[..], b"0;a", b"0 ", b"", b"0x0"])
        } else {
            b"0"
        });
        end(random, rarity, out);
        while odd(random) && !random.once_in(3) {
            out.extend_from_slice(random.pick(TRAILERS));
        }
        end(random, rarity, out);
    } else if with_body {
        out.extend_from_slice(b"abc");
    }
}

fn end(random: &mut Random, rarity: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(if random.once_in(rarity * 5) { random.pick(ENDS) } else { b"\r\n" });
}

fn mutate(random: &mut Random, out: &mut Vec<u8>) {
    if out.is_empty() {
        return;
    }
    let at = random.below(out.len());
    let byte = BYTES[random.below(BYTES.len())];
    match random.below(5) {
        0 => out[at] = byte,
        1 => out.insert(at, byte),
        2 => drop(out.remove(at)),
        3 => {
            let to = out.len().min(at + 1 + random.below(20));
            let piece = out[at..to].to_vec();
            let into = random.below(out.len());
            out.splice(into..into, piece);
        }
        _ => {
            let to = out.len().min(at + 1 + random.below(8));
            out.drain(at..to);
        }
    }
}
