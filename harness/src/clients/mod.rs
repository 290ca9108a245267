//! The clients: what they ask, and how each answer is classified as *ok*, *fail* or *info*.

mod connections;
mod driver;
mod protocol;
mod runner;

pub(crate) use connections::Connections;
pub(crate) use driver::Drive;
pub(crate) use protocol::json_of;
