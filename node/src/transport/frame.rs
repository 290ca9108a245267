//! Frames: a version byte and a postcard value. A stream carries exactly one frame and its end is the frame's.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The most bytes of a frame that are read from a peer.
pub const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;

const VERSION: u8 = 2;

/// Why bytes of a peer are not a frame.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Nothing, or another version.
    #[error("frame of version {0:?}, this is version {VERSION}")]
    Version(Option<u8>),
    /// Not the value that was expected.
    #[error("malformed frame: {0}")]
    Malformed(postcard::Error),
}

/// The frame of a value.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_extend(value, vec![VERSION]).expect("our own values always serialise")
}

/// The value of a frame; refuses trailing bytes.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FrameError> {
    match bytes.split_first() {
        Some((&VERSION, payload)) => match postcard::take_from_bytes(payload) {
            Ok((value, [])) => Ok(value),
            Ok(_) => Err(FrameError::Malformed(postcard::Error::DeserializeBadEncoding)),
            Err(error) => Err(FrameError::Malformed(error)),
        },
        other => Err(FrameError::Version(other.map(|(version, _)| *version))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::{Body, Entry, LogIndex, Message, Payload, Term};

    fn message() -> Message {
        let entry =
            Entry { index: LogIndex(8), term: Term(3), payload: Payload::Command(vec![1, 2]) };
        Message {
            term: Term(300),
            body: Body::AppendEntries {
                prev_index: LogIndex(7),
                prev_term: Term(2),
                entries: vec![entry],
                commit: LogIndex(6),
                round: 5,
            },
        }
    }

    #[test]
    fn the_bytes_of_a_frame_never_change_within_a_version() {
        let bytes = encode(&message());
        assert_eq!(bytes, [2, 172, 2, 4, 7, 2, 1, 8, 3, 1, 2, 1, 2, 6, 5]);
        assert_eq!(decode(&bytes), Ok(message()));
    }

    #[test]
    fn cut_extended_and_foreign_frames_are_refused() {
        let bytes = encode(&message());
        for cut in 0..bytes.len() {
            assert!(decode::<Message>(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(decode::<Message>(&longer).is_err());
        assert_eq!(decode::<Message>(&[1, 0]), Err(FrameError::Version(Some(1))));
    }
}
