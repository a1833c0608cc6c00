//! The TLB generations of the big world: what a CPU that was away owes when it comes back.

use sim_core::machine::testing::prime_profile;
use sim_core::machine::tlb::Entry;
use sim_core::nouns::types::{AccessKind, Actor, Cpu, Span};
use sim_core::world::big::Big;
use sim_core::world::{Cause, Request, World};

#[test]
fn a_range_flush_does_not_make_up_for_a_deferred_clear() {
    let mut big = Big::new(&prime_profile(), 2, 16);
    let (mm, other) = (big.add_mm(), big.add_mm());
    let task = big.add_task(Some(mm));
    let who = Actor { cpu: Cpu(0), task };
    let target = Cpu(1);
    let none = &mut |_, _| {};
    big.switch_mm(target, Some(mm), true, none);
    let pages = [0, 1].map(|vpn| big.populate(mm, vpn));
    for page in pages {
        big.tlb_fill(target, page, AccessKind::Load, Entry::default(), none);
    }
    // Reclaim clears page 0 and puts the flush off; then an operation flushes page 1.
    big.batch_add_mask(task, mm);
    let request = Request::page(mm, 1, Cause::Operation);
    assert!(big.request_begin(who, request));
    big.post(who.cpu, target);
    big.drain(target);
    big.tlb_drop(target, (mm, Span::page(1)), none);
    big.ack(target, who.cpu);
    big.served(target, who.cpu);
    assert!(big.tlb_peek(target, pages[0]).is_some() && big.tlb_peek(target, pages[1]).is_none());
    // The batch's flush finds the other address space loaded, and drops nothing of this one.
    big.switch_mm(target, Some(other), true, none);
    big.switch_mm(target, Some(mm), true, none);
    assert_eq!(big.tlb_peek(target, pages[0]), None);
}
