//! The frames of a CPU as words.

use crate::drive::engine::Stack;
use crate::nouns::types::{FrameNo, Page};
use crate::step::frame::{Frame, Path};
use crate::world::small::{Bits, Fields, VPN_BITS};

/// Appends a frame: one word, and one more for a register in use.
pub(super) fn pack_frame(f: &Frame, out: &mut Vec<u64>) {
    let mut bits = Bits::default();
    bits.put(f.path as u64, 5);
    bits.put(u64::from(f.pc), 5);
    bits.put(u64::from(f.ret), 2);
    bits.put(u64::from(f.hook), 3);
    bits.put(u64::from(f.flags), 3);
    bits.put(u64::from(f.page.0), VPN_BITS);
    bits.put(u64::from(f.frame.0), 3);
    bits.put(u64::from(f.count), VPN_BITS);
    bits.put(f.cursor, VPN_BITS + 1);
    bits.put(u64::from(f.local != 0), 1);
    out.push(bits.word());
    if f.local != 0 {
        out.push(u64::from(f.local));
    }
}

/// Takes up frames, outermost first.
pub(super) fn unpack_frames(words: &[u64], stack: &mut Stack) {
    stack.clear();
    let mut words = words.iter();
    while let Some(&word) = words.next() {
        let mut fields = Fields(word);
        let mut frame = Frame::new(PATHS[fields.take(5) as usize]);
        (frame.pc, frame.ret, frame.hook) = (fields.take(5) as u8, fields.take(2) as u8, fields.take(3) as u8);
        (frame.flags, frame.page) = (fields.take(3) as u8, Page(fields.take(VPN_BITS) as u32));
        (frame.frame, frame.count) = (FrameNo(fields.take(3) as u32), fields.take(VPN_BITS) as u32);
        frame.cursor = fields.take(VPN_BITS + 1);
        if fields.take(1) != 0 {
            frame.local = *words.next().expect("a register follows its frame") as u32;
        }
        stack.push(frame);
    }
}

const PATHS: [Path; 23] = [
    Path::Access,
    Path::Fault,
    Path::Mprotect,
    Path::Munmap,
    Path::Dontneed,
    Path::Free,
    Path::Mremap,
    Path::Fork,
    Path::Writeback,
    Path::Migrate,
    Path::Truncate,
    Path::Ksm,
    Path::Mmap,
    Path::Pageout,
    Path::Other,
    Path::Reclaim,
    Path::Kswapd,
    Path::Shrink,
    Path::Referenced,
    Path::Unmap,
    Path::Flush,
    Path::Irq,
    Path::Held,
];

// A path is packed by its discriminant.
const _: () = {
    let mut n = 0;
    while n < PATHS.len() {
        assert!(PATHS[n] as usize == n);
        n += 1;
    }
    assert!(n == Path::Held as usize + 1);
};
