//! The clients: what they ask, and how each answer is classified as *ok*, *fail* or *info*.

mod driver;
mod kv;

pub(crate) use driver::{Drive, final_reads};
pub(crate) use kv::Sessions;
