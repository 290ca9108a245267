//! The bytes of a history, whether packed or not.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::super::Compression;
use super::form::{Form, PREFIX_BYTES};

/// Where a history is read from.
pub(super) enum Input {
    /// A plain file of this length, read in place.
    File(File, u64),
    /// What can only be read from front to back: a pipe, or a packed file.
    Stream(Box<dyn Read + Send>),
}

/// Opens a file, or a pipe, and looks what is in it.
pub(super) fn open(path: &Path) -> io::Result<(Form, Input)> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let prefix = prefix(&mut file)?;
    let compression = compression(&prefix);
    if metadata.is_file() && compression == Compression::None {
        return Ok((Form::of(&prefix), Input::File(file, metadata.len())));
    }
    unpacked(compression, io::Cursor::new(prefix).chain(file))
}

/// What is in a text in memory.
pub(super) fn of_bytes(bytes: &[u8]) -> io::Result<(Form, Input)> {
    unpacked(compression(bytes), io::Cursor::new(bytes.to_vec()))
}

fn unpacked(
    compression: Compression,
    packed: impl Read + Send + 'static,
) -> io::Result<(Form, Input)> {
    let packed = BufReader::with_capacity(BUFFER_BYTES, packed);
    let mut stream: Box<dyn Read + Send> = match compression {
        Compression::None => Box::new(packed),
        Compression::Gzip => Box::new(MultiGzDecoder::new(packed)),
        Compression::Zstd => Box::new(Zstd::new(packed)),
    };
    let prefix = prefix(&mut stream)?;
    Ok((Form::of(&prefix), Input::Stream(Box::new(io::Cursor::new(prefix).chain(stream)))))
}

/// How much of a packed file is read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// The first bytes, as many as there are.
fn prefix(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut prefix = Vec::with_capacity(PREFIX_BYTES);
    input.take(PREFIX_BYTES as u64).read_to_end(&mut prefix)?;
    if prefix.starts_with(PARQUET) {
        let what = "a Parquet table is only written: give the history that it was made from";
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    Ok(prefix)
}

/// How a Parquet table begins.
const PARQUET: &[u8] = b"PAR1";

/// How a file is packed, told from the magic numbers of RFC 1952 and RFC 8878.
fn compression(prefix: &[u8]) -> Compression {
    match prefix {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
        _ => Compression::None,
    }
}

/// Frames of zstd one after another, as `zstd` and `pzstd` write them.
struct Zstd<R> {
    packed: R,
    frame: FrameDecoder,
    is_open: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(packed: R) -> Self {
        Self { packed, frame: FrameDecoder::new(), is_open: false }
    }

    /// Begins the next frame; false at the end of the file.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.packed.fill_buf()?.is_empty() {
            match self.frame.reset(&mut self.packed) {
                Ok(()) => {
                    self.is_open = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    io::copy(&mut (&mut self.packed).take(length.into()), &mut io::sink())?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }

    /// What was unpacked must be what was packed.
    fn end(&mut self) -> io::Result<()> {
        self.is_open = false;
        let (stored, found) =
            (self.frame.get_checksum_from_data(), self.frame.get_calculated_checksum());
        match stored {
            Some(stored) if Some(stored) != found => {
                Err(io::Error::other("zstd: the checksum does not match"))
            }
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.is_open && !self.begin()? {
                return Ok(0);
            }
            while self.frame.can_collect() == 0 && !self.frame.is_finished() {
                let some = BlockDecodingStrategy::UptoBlocks(1);
                self.frame.decode_blocks(&mut self.packed, some).map_err(io::Error::other)?;
            }
            let length = self.frame.read(buffer)?;
            if length > 0 {
                return Ok(length);
            }
            self.end()?;
        }
    }
}
