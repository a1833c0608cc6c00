//! What translations are looked up by, and how an array keeps it: as a tag, one register where a key is three fields in memory.

/// Where in a tag the page number begins.
pub(super) const VPN_SHIFT: u32 = 19;
/// The two low bits of a tag that is live; see [`Key::live_tag`].
pub(super) const LIVE: u64 = 0b11;
/// Set in a tag and clear in a ghost of the same page.
pub(super) const LIVE_ONLY: u64 = 0b10;
/// The tag of a way that nothing was in yet.
pub(super) const NEVER_USED: u64 = 0;
/// Bits of a page number: 57-bit addresses in pages of 4 KiB.
pub const VPN_BITS: u32 = 45;

/// Size of the page a translation maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PageSize {
    /// 4 KiB.
    Size4K,
    /// 2 MiB.
    Size2M,
}

impl PageSize {
    /// log2 of the size in bytes.
    pub fn shift(self) -> u32 {
        match self {
            Self::Size4K => 12,
            Self::Size2M => 21,
        }
    }
}

/// What a translation is looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Number of the page *in units of its own size*: address >> 12, or address >> 21 for 2 MiB. Below 2^45.
    pub vpn: u64,
    /// Address space (PCID, ASID).
    pub asid: u16,
    /// Size of the page.
    pub size: PageSize,
}

impl Key {
    /// The page number `vpn`, counted in pages of `size`, of the address space `asid`.
    #[inline]
    pub fn new(vpn: u64, asid: u16, size: PageSize) -> Self {
        Self { vpn, asid, size }
    }

    /// The page of `size` that holds a virtual address.
    pub fn of(address: u64, asid: u16, size: PageSize) -> Self {
        Self::new(address >> size.shift(), asid, size)
    }

    /// The tag of a live way. Two low bits: 00 never used, 01 ghost, 11 live.
    #[inline]
    pub(in crate::machine) fn live_tag(self) -> u64 {
        let Key { vpn, .. } = self;
        if vpn >> VPN_BITS != 0 {
            too_large(vpn);
        }
        vpn << VPN_SHIFT | u64::from(self.asid) << 3 | (self.size as u64) << 2 | LIVE
    }

    pub(in crate::machine) fn from_tag(tag: u64) -> Self {
        let size = if tag & 0b100 == 0 { PageSize::Size4K } else { PageSize::Size2M };
        Self::new(tag >> VPN_SHIFT, (tag >> 3) as u16, size)
    }
}

// By itself and by value: a message that borrows a key keeps it in memory on every lookup.
#[cold]
#[inline(never)]
fn too_large(vpn: u64) -> ! {
    panic!("page number {vpn:#x} is too large");
}
