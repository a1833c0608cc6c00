//! Recordings of a few lines, written by a test, and what is predicted for them.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::fmt::Write as _;

use sim_core::policy;
use sim_core::step::era;
use workloads::machines::machine;
use workloads::recorded::answer::Extent;
use workloads::recorded::replay::Timing;
use workloads::recorded::report::{Options, Report, report};
use workloads::recorded::script::Context;
use workloads::recorded::{Pick, import_text};

pub(crate) const PID: i32 = 100;
/// Sixteen pages, aligned.
pub(crate) const FILE: u64 = 0x7000_0000_0000;

/// A recording under construction; times in microseconds.
#[derive(Default)]
pub(crate) struct Text(pub(crate) Vec<(u64, String)>);

impl Text {
    pub(crate) fn line(&mut self, us: u64, tid: i32, cpu: u16, event: &str) -> &mut Text {
        let line = format!("  prog {PID}/{tid} [{cpu:03}] 10.{:09}: {event}\n", us * 1000);
        self.0.push((us, line));
        self
    }

    pub(crate) fn fault(&mut self, us: u64, tid: i32, cpu: u16, address: u64, code: u16) -> &mut Text {
        self.line(
            us,
            tid,
            cpu,
            &format!("exceptions:page_fault_user: address={address:#x} ip=0x1 error_code={code:#x}"),
        )
    }

    pub(crate) fn call(
        &mut self,
        us: (u64, u64),
        tid: i32,
        cpu: u16,
        name: &str,
        arguments: &str,
        ret: u64,
    ) -> &mut Text {
        self.line(us.0, tid, cpu, &format!("syscalls:sys_enter_{name}: {arguments}"));
        self.line(us.1, tid, cpu, &format!("syscalls:sys_exit_{name}: {ret:#x}"))
    }

    pub(crate) fn mmap(&mut self, us: u64, at: u64, pages: u64, flags: u32) -> &mut Text {
        let (length, fd) = (pages << 12, if flags & 0x20 == 0 { 3 } else { -1 });
        let arguments = format!("addr: {at:#x}, len: {length:#x}, prot: 0x3, flags: {flags:#x}, fd: {fd:#x}, off: 0x0");
        self.call((us, us + 1), PID, 0, "mmap", &arguments, at)
    }

    pub(crate) fn mprotect(&mut self, us: u64, tid: i32, cpu: u16, at: u64, pages: u64, rights: u32) -> &mut Text {
        let arguments = format!("start: {at:#x}, len: {:#x}, prot: {rights:#x}", pages << 12);
        self.call((us, us + 4), tid, cpu, "mprotect", &arguments, 0)
    }

    /// A cycle of one list that freed `pages` file pages in this time, and wrote none.
    pub(crate) fn reclaim(&mut self, us: (u64, u64), tid: i32, cpu: u16, pages: u32) -> &mut Text {
        self.line(us.0, tid, cpu, "vmscan:mm_vmscan_memcg_reclaim_begin: order=0 gfp_flags=GFP_KERNEL");
        let list = format!(
            "vmscan:mm_vmscan_lru_shrink_inactive: nid=0 nr_scanned={pages} nr_reclaimed={pages} nr_dirty=0 \
             nr_writeback=0 nr_congested=0 nr_immediate=0 nr_activate_anon=0 nr_activate_file=0 nr_ref_keep=0 \
             nr_unmap_fail=0 priority=12 flags=RECLAIM_WB_FILE|RECLAIM_WB_ASYNC"
        );
        self.line(us.1, tid, cpu, &list);
        self.line(us.1, tid, cpu, &format!("vmscan:mm_vmscan_memcg_reclaim_end: nr_reclaimed={pages}"))
    }

    /// A folio of a shrink list is written.
    pub(crate) fn write(&mut self, us: u64, tid: i32, cpu: u16) -> &mut Text {
        self.line(us, tid, cpu, "vmscan:mm_vmscan_write_folio: page=0x1 pfn=0x1 flags=RECLAIM_WB_ANON|RECLAIM_WB_ASYNC")
    }

    /// A list of `MADV_PAGEOUT` that freed all of its pages ends.
    pub(crate) fn pageout_list(&mut self, us: u64, tid: i32, cpu: u16, pages: u32) -> &mut Text {
        let list = format!(
            "vmscan:mm_vmscan_reclaim_pages: nid=0 nr_scanned={pages} nr_reclaimed={pages} nr_dirty=0 nr_writeback=0 \
             nr_congested=0 nr_immediate=0 nr_activate_anon=0 nr_activate_file=0 nr_ref_keep=0 nr_unmap_fail=0"
        );
        self.line(us, tid, cpu, &list)
    }

    pub(crate) fn switch(&mut self, us: u64, cpu: u16, prev: i32, state: &str, next: i32) -> &mut Text {
        let event = format!(
            "sched:sched_switch: prev_comm=a prev_pid={prev} prev_prio=120 prev_state={state} ==> next_comm=b \
             next_pid={next} next_prio=120"
        );
        self.line(us, if prev == 0 { 0 } else { prev }, cpu, &event)
    }

    pub(crate) fn replay(&self, policy: &str) -> Report {
        self.timed(policy, Timing::Recorded)
    }

    pub(crate) fn timed(&self, policy: &str, timing: Timing) -> Report {
        let mut lines = self.0.clone();
        lines.sort_by_key(|&(us, _)| us);
        let mut text = String::new();
        for (_, line) in lines {
            let _ = write!(text, "{line}");
        }
        report_of(&text, &Pick::Pid(PID), policy, timing)
    }
}

/// A recording on the machine that recorded those that are shipped, and in its era.
pub(crate) fn report_of(text: &str, pick: &Pick, policy: &str, timing: Timing) -> Report {
    let recording = import_text("test", text.as_bytes(), pick).expect("a well-formed recording");
    let profile = machine("zen5_vm").expect("a shipped profile").profile();
    let options = Options {
        policy: policy::find(policy).expect("a policy"),
        era: era::find("v6.18").expect("an era"),
        profile: ("zen5_vm", "", &profile),
        timing,
        processes: 1,
    };
    report(&recording, options).expect("zen5_vm has IPI costs")
}

pub(crate) fn predicted(report: &Report, context: Context, reason: u8, extent: Extent) -> u64 {
    let rows = report.rows.iter().filter(|r| (r.context, r.reason, r.extent) == (context, reason, extent));
    rows.map(|r| r.predicted).sum()
}

/// One-page flushes of a CPU that is alone.
pub(crate) fn local(report: &Report) -> u64 {
    predicted(report, Context::Reclaim, 3, Extent::Ranged)
}

/// Two threads on two CPUs; the first has stored to four pages.
pub(crate) fn four_pages(text: &mut Text) -> &mut Text {
    text.mmap(1, FILE, 64, 0x22).fault(4, PID + 1, 1, FILE + 0x20000, 6);
    for page in 0..4 {
        text.fault(10 + 5 * page, PID, 0, FILE + (page << 12), 6);
    }
    text
}
