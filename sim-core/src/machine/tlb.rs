//! stub
/// A translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Entry {
    /// The frame.
    pub frame: u32,
    /// W.
    pub writable: bool,
    /// D.
    pub dirty: bool,
    /// Oracle's.
    pub marks: u8,
}
