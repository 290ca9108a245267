//! Packing what is written.

use std::io::{self, Write};
use std::str::FromStr;

use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// How an output is packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl FromStr for Compression {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "none" => Ok(Self::None),
            "gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            other => Err(format!("unknown packing `{other}`; known are none, gzip, zstd")),
        }
    }
}

/// Packs what is written to it. [`Compressor::finish`] writes the end: a file without it is torn.
pub struct Compressor<W: Write>(Packing<W>);

enum Packing<W: Write> {
    None(W),
    Gzip(GzEncoder<W>),
    /// What does not fill a frame yet.
    Zstd(W, Vec<u8>),
}

/// So much goes into one frame of zstd: memory stays bounded, and little is lost by beginning anew.
const FRAME_BYTES: usize = 4 << 20;

impl<W: Write> Compressor<W> {
    /// Packs into an output.
    pub fn new(out: W, compression: Compression) -> Self {
        Self(match compression {
            Compression::None => Packing::None(out),
            Compression::Gzip => Packing::Gzip(GzEncoder::new(out, flate2::Compression::default())),
            Compression::Zstd => Packing::Zstd(out, Vec::with_capacity(FRAME_BYTES)),
        })
    }

    /// Writes what is left and gives the output back.
    pub fn finish(self) -> io::Result<W> {
        let mut out = match self.0 {
            Packing::None(out) => out,
            Packing::Gzip(encoder) => encoder.finish()?,
            Packing::Zstd(mut out, mut rest) => {
                frame(&mut out, &mut rest)?;
                out
            }
        };
        out.flush()?;
        Ok(out)
    }
}

/// Writes a frame and empties the buffer.
fn frame(out: &mut impl Write, rest: &mut Vec<u8>) -> io::Result<()> {
    out.write_all(&compress_to_vec(rest.as_slice(), CompressionLevel::Fastest))?;
    rest.clear();
    Ok(())
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Packing::None(out) => out.write(bytes),
            Packing::Gzip(encoder) => encoder.write(bytes),
            Packing::Zstd(out, rest) => {
                let taken = bytes.len().min(FRAME_BYTES - rest.len());
                rest.extend_from_slice(&bytes[..taken]);
                if rest.len() == FRAME_BYTES {
                    frame(out, rest)?;
                }
                Ok(taken)
            }
        }
    }

    /// Hands on what can be: what does not fill a frame stays until the end.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Packing::None(out) | Packing::Zstd(out, _) => out.flush(),
            Packing::Gzip(encoder) => encoder.flush(),
        }
    }
}
