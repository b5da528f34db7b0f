//! The framing of a chunked body (RFC 9112 s7.1), byte by byte, so that it is the same in whatever pieces it comes.

use sansal::error::SendError;

/// Bytes of a chunk's size line at the most, extensions included.
const MAX_LINE: usize = 256;
/// Bytes of all trailers at the most; they are thrown away.
const MAX_TRAILERS: usize = 4096;

/// Where in the framing the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunked {
    /// In the digits of a size.
    Size { size: usize, digits: u8 },
    /// In an extension, which nobody needs.
    Extension { size: usize, seen: usize },
    /// Before the LF of a size line.
    SizeEnd { size: usize },
    /// In the data.
    Data { left: usize },
    /// Before the CR after the data.
    DataCr,
    /// Before the LF after the data.
    DataLf,
    /// In the trailers: bytes so far, and whether the line is empty yet.
    Trailer { seen: usize, empty: bool },
    /// Before the LF of a trailer line.
    TrailerLf { seen: usize, empty: bool },
    /// The body is over.
    End,
}

/// What one byte was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Byte {
    /// Framing.
    Framing,
    /// The last byte of the framing.
    Last,
}

impl Chunked {
    pub(super) const BEGIN: Self = Self::Size { size: 0, digits: 0 };

    /// Takes a byte that is no data. `left` is what the body may still have.
    pub(super) fn byte(&mut self, byte: u8, left: usize) -> Result<Byte, SendError> {
        let broken = Err(SendError::NoAnswer);
        *self = match (*self, byte) {
            (Self::Size { digits: 0, .. }, b'\r' | b';' | b' ' | b'\t') => return broken,
            (Self::Size { size, .. }, b'\r') => Self::SizeEnd { size },
            (Self::Size { size, .. }, b';' | b' ' | b'\t') => Self::Extension { size, seen: 1 },
            (Self::Size { size, digits }, digit) => {
                let Some(value) = char::from(digit).to_digit(16).and_then(|v| usize::try_from(v).ok()) else {
                    return broken;
                };
                // Sixteen digits are all that 64 bits have.
                let digits = digits.saturating_add(1);
                if digits > 16 {
                    return broken;
                }
                Self::Size { size: size.checked_mul(16).ok_or(SendError::TooLarge)?.saturating_add(value), digits }
            }
            (Self::Extension { size, .. }, b'\r') => Self::SizeEnd { size },
            (Self::Extension { .. }, b'\n') => return broken,
            (Self::Extension { size, seen }, _) if seen < MAX_LINE => {
                Self::Extension { size, seen: seen.saturating_add(1) }
            }
            (Self::Extension { .. }, _) => return Err(SendError::TooLarge),
            (Self::SizeEnd { size: 0 }, b'\n') => Self::Trailer { seen: 0, empty: true },
            (Self::SizeEnd { size }, b'\n') if size > left => return Err(SendError::TooLarge),
            (Self::SizeEnd { size }, b'\n') => Self::Data { left: size },
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::BEGIN,
            (Self::Trailer { seen, empty }, b'\r') => Self::TrailerLf { seen, empty },
            (Self::Trailer { .. }, b'\n') => return broken,
            (Self::Trailer { seen, .. }, _) if seen < MAX_TRAILERS => {
                Self::Trailer { seen: seen.saturating_add(1), empty: false }
            }
            (Self::Trailer { .. }, _) => return Err(SendError::TooLarge),
            (Self::TrailerLf { empty: true, .. }, b'\n') => Self::End,
            (Self::TrailerLf { seen, .. }, b'\n') => Self::Trailer { seen, empty: true },
            _ => return broken,
        };
        Ok(if *self == Self::End { Byte::Last } else { Byte::Framing })
    }
}
