//! Paragraphs of `Field: value` lines (deb822(5)), as dpkg and apt write them: read as a stream,
//! so that a list of 65,000 packages costs one pass and a bounded buffer.

use memchr::memmem;
use std::io::{self, Read};
use std::ops::ControlFlow;

/// A paragraph longer than this is passed over; the longest real ones are about 100 kB.
pub const PARAGRAPH_BYTES_MAX: usize = 4 << 20;
const BUFFER_BYTES: usize = 256 << 10;

/// One paragraph as it stands in the file.
#[derive(Debug, Clone, Copy)]
pub struct Paragraph<'a> {
    /// Its lines, without the blank one that ends it.
    pub bytes: &'a [u8],
    /// False for a last paragraph whose last line has no end: the file may be cut there.
    pub complete: bool,
}

/// Hands each paragraph of the stream to `each`, until it breaks off or the stream ends.
pub fn paragraphs(mut reader: impl Read, mut each: impl FnMut(Paragraph<'_>) -> ControlFlow<()>) -> io::Result<()> {
    let finder = memmem::Finder::new(b"\n\n");
    let mut buffer = vec![0_u8; BUFFER_BYTES];
    let (mut start, mut searched, mut end) = (0, 0, 0);
    let mut too_long = false;
    loop {
        while let Some(found) = finder.find(&buffer[searched..end]) {
            let stop = searched + found + 1;
            if !std::mem::take(&mut too_long)
                && each(Paragraph { bytes: &buffer[start..stop], complete: true }).is_break()
            {
                return Ok(());
            }
            start = stop + 1;
            searched = start;
        }
        // one byte back: the pair of line ends may be cut by the end of the buffer
        searched = end.saturating_sub(1).max(start);
        if end == buffer.len() {
            buffer.copy_within(start..end, 0);
            (searched, end, start) = (searched - start, end - start, 0);
            if end > PARAGRAPH_BYTES_MAX {
                too_long = true;
                buffer[0] = buffer[end - 1];
                (searched, end) = (0, 1);
            } else if end * 2 > buffer.len() {
                buffer.resize(buffer.len() * 2, 0);
            }
        }
        match reader.read(&mut buffer[end..]) {
            Ok(0) => break,
            Ok(n) => end += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let rest = &buffer[start..end];
    if !too_long && !rest.is_empty() {
        // the stream is at its end, so that it does not matter whether the callee wants more
        let _ = each(Paragraph { bytes: rest, complete: rest.ends_with(b"\n") });
    }
    Ok(())
}

/// The fields of a paragraph: name and the rest of its first line, trimmed. Comment lines,
/// continuation lines and lines without a colon are passed over.
pub fn fields(paragraph: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    lines(paragraph).filter_map(field)
}

/// The fields of a paragraph with their continuation lines, joined by a blank; for the short files
/// that people write (`*.sources`). Comment lines inside a value are passed over.
pub fn folded(paragraph: &[u8]) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    for line in lines(paragraph).filter(|l| !l.starts_with(b"#")) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if let Some((name, value)) = field(line) {
            out.push((text(name), text(value)));
        } else if let Some((_, value)) = out.last_mut()
            && line.first().is_some_and(u8::is_ascii_whitespace)
        {
            value.push(' ');
            value.push_str(text(line).trim());
        }
    }
    out
}

/// The lines, without their ends.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (line, after) = match memchr::memchr(b'\n', rest) {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => (rest, &rest[rest.len()..]),
        };
        rest = after;
        Some(line)
    })
}

fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    if line.first().is_none_or(|b| b.is_ascii_whitespace() || *b == b'#') {
        return None;
    }
    let colon = memchr::memchr(b':', line)?;
    Some((line[..colon].trim_ascii_end(), line[colon + 1..].trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &[u8], chunk: usize) -> Vec<(Vec<u8>, bool)> {
        let mut out = Vec::new();
        let each = |p: Paragraph<'_>| {
            out.push((p.bytes.to_vec(), p.complete));
            ControlFlow::Continue(())
        };
        paragraphs(Chunks { rest: text, chunk }, each).expect("a slice can be read");
        out
    }

    struct Chunks<'a> {
        rest: &'a [u8],
        chunk: usize,
    }

    impl Read for Chunks<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let n = self.chunk.min(into.len()).min(self.rest.len());
            into[..n].copy_from_slice(&self.rest[..n]);
            self.rest = &self.rest[n..];
            Ok(n)
        }
    }

    #[test]
    fn a_paragraph_longer_than_the_limit_is_passed_over_and_the_next_one_is_read() {
        let mut text = b"Package: a\n\nPackage: b\nBig: ".to_vec();
        text.extend(std::iter::repeat_n(b'x', PARAGRAPH_BYTES_MAX * 2));
        text.extend(b"\n\nPackage: c\n");
        let said: Vec<_> = all(&text, 1 << 20).into_iter().map(|(p, _)| p).collect();
        assert_eq!(said, [b"Package: a\n".to_vec(), b"Package: c\n".to_vec()]);
    }

    #[test]
    fn a_file_cut_in_its_last_line_says_so() {
        assert_eq!(all(b"A: 1\nB: 2", 3), [(b"A: 1\nB: 2".to_vec(), false)]);
        assert_eq!(all(b"A: 1\nB: 2\n", 3), [(b"A: 1\nB: 2\n".to_vec(), true)]);
    }

    #[test]
    fn folded_values_are_joined_and_comments_left_out() {
        let given = b"URIs: http://a\n# no\n http://b\nSuites:\n x\n y\n";
        let said = folded(given);
        assert_eq!(said[0], ("URIs".to_owned(), "http://a http://b".to_owned()));
        assert_eq!(said[1], ("Suites".to_owned(), " x y".to_owned()));
    }

    proptest! {
        #[test]
        fn the_paragraphs_are_the_same_in_whatever_pieces_the_stream_comes(text in "[ab\n]{0,200}", chunk in 1_usize..40) {
            prop_assert_eq!(all(text.as_bytes(), chunk), all(text.as_bytes(), 4096));
        }

        #[test]
        fn fields_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = fields(&bytes).count() + folded(&bytes).len();
        }
    }
}
