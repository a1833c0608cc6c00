//! The fields of the known events.

use super::event::{Call, CallName, ListStats, RunState, What};
use super::fields::{Fault, Fields, NUMBER, cut, cut_last, number, sized, task_id};
use super::line::MAX_COMM;

/// Reads the fields of an event; `None` if the event is not one of those in [`What`].
pub(super) fn what<'a>(event: &str, rest: &'a str) -> Option<Result<What, Fault<'a>>> {
    if let Some(call) = event.strip_prefix("syscalls:sys_") {
        return match cut(call, b"_")? {
            ("enter", name) => call_name(name).map(|name| enter(name, Fields::colons(rest)).map(What::Enter)),
            ("exit", name) => call_name(name).map(|name| exit(name, rest)),
            _ => None,
        };
    }
    match event {
        "tlb:tlb_flush" => Some(tlb_flush(rest)),
        "exceptions:page_fault_user" => Some(user_fault(rest)),
        "sched:sched_switch" => Some(switch(rest)),
        "sched:sched_process_exec" => Some(Ok(What::Exec)),
        "vmscan:mm_vmscan_memcg_reclaim_begin" | "vmscan:mm_vmscan_direct_reclaim_begin" => Some(reclaim_begin(rest)),
        "vmscan:mm_vmscan_memcg_reclaim_end" | "vmscan:mm_vmscan_direct_reclaim_end" => Some(reclaim_end(rest)),
        "vmscan:mm_vmscan_lru_shrink_inactive" => Some(shrink_inactive(rest)),
        "vmscan:mm_vmscan_reclaim_pages" => Some(reclaim_pages(rest)),
        "vmscan:mm_vmscan_write_folio" => Some(write_folio(rest)),
        _ => None,
    }
}

/// One of the system calls that a recording knows.
pub(super) fn call_name(name: &str) -> Option<CallName> {
    Some(match name {
        "mmap" => CallName::Mmap,
        "munmap" => CallName::Munmap,
        "mprotect" => CallName::Mprotect,
        "madvise" => CallName::Madvise,
        "mremap" => CallName::Mremap,
        _ => return None,
    })
}

/// The arguments; the kernel names some of them differently from version to version.
pub(super) fn enter(name: CallName, mut fields: Fields<'_>) -> Result<Call, Fault<'_>> {
    let call = match name {
        CallName::Mmap => Call::Mmap {
            address: fields.number("addr")?,
            length: fields.number("len")?,
            protection: fields.number("prot")?,
            flags: fields.number("flags")?,
            fd: descriptor(&mut fields)?,
            offset: either(&mut fields, "off", "offset")?,
        },
        CallName::Munmap => Call::Munmap { address: fields.number("addr")?, length: fields.number("len")? },
        CallName::Mprotect => Call::Mprotect {
            start: fields.number("start")?,
            length: fields.number("len")?,
            protection: fields.number("prot")?,
        },
        CallName::Madvise => Call::Madvise {
            start: fields.number("start")?,
            length: either(&mut fields, "len_in", "len")?,
            advice: fields.number("behavior")?,
        },
        CallName::Mremap => Call::Mremap {
            address: fields.number("addr")?,
            old_length: fields.number("old_len")?,
            new_length: fields.number("new_len")?,
            flags: fields.number("flags")?,
            new_address: fields.number("new_addr")?,
        },
    };
    fields.finish()?;
    Ok(call)
}

fn either<'a>(fields: &mut Fields<'a>, field: &'static str, other: &'static str) -> Result<u64, Fault<'a>> {
    let text = fields.either(field, other)?;
    fields.sized(field, text)
}

/// A file descriptor: 32 bits, or a negative number of 64.
fn descriptor<'a>(fields: &mut Fields<'a>) -> Result<i32, Fault<'a>> {
    let text = fields.text("fd")?;
    let value: u64 = fields.sized("fd", text)?;
    let fault = Fault::new("fd", text, NUMBER);
    u32::try_from(value).map(u32::cast_signed).or_else(|_| i32::try_from(value.cast_signed())).map_err(|_| fault)
}

pub(super) fn exit(name: CallName, rest: &str) -> Result<What, Fault<'_>> {
    if rest.is_empty() {
        return Err(Fault::missing("ret", NUMBER));
    }
    sized("ret", rest).map(|ret| What::Exit { name, ret })
}

fn tlb_flush(rest: &str) -> Result<What, Fault<'_>> {
    const REASON: &str = "a text and its number in parentheses";
    let pages = rest.strip_prefix("pages:").ok_or(Fault::missing("pages", NUMBER))?;
    let (pages, reason) = cut(pages, b" reason:").ok_or(Fault::missing("reason", REASON))?;
    let (_, code) = reason
        .strip_suffix(')')
        .and_then(|reason| cut_last(reason, b"("))
        .filter(|(text, _)| !text.bytes().any(|byte| matches!(byte, b'[' | b':' | b'=')))
        .ok_or(Fault::new("reason", reason, REASON))?;
    Ok(What::TlbFlush { pages: sized::<u64>("pages", pages)?.cast_signed(), reason: sized("reason", code)? })
}

fn user_fault(rest: &str) -> Result<What, Fault<'_>> {
    let mut fields = Fields::equals(rest);
    let fault = What::UserFault { address: fields.number("address")?, error_code: fields.number("error_code")? };
    fields.finish()?;
    Ok(fault)
}

fn reclaim_begin(rest: &str) -> Result<What, Fault<'_>> {
    let mut fields = Fields::equals(rest);
    fields.number::<u32>("order")?;
    fields.text("gfp_flags")?;
    fields.finish()?;
    Ok(What::ReclaimBegin)
}

fn reclaim_end(rest: &str) -> Result<What, Fault<'_>> {
    let mut fields = Fields::equals(rest);
    let reclaimed = fields.number("nr_reclaimed")?;
    fields.finish()?;
    Ok(What::ReclaimEnd { reclaimed })
}

fn shrink_inactive(rest: &str) -> Result<What, Fault<'_>> {
    let mut fields = Fields::equals(rest);
    let mut stats = list_stats(&mut fields)?;
    stats.priority = Some(fields.number("priority")?);
    let flags = fields.text("flags")?;
    stats.file = Some(!anonymous(flags)?);
    fields.finish()?;
    Ok(What::ShrinkInactive(stats))
}

fn reclaim_pages(rest: &str) -> Result<What, Fault<'_>> {
    let mut fields = Fields::equals(rest);
    let stats = list_stats(&mut fields)?;
    fields.finish()?;
    Ok(What::ReclaimPages(stats))
}

fn list_stats<'a>(fields: &mut Fields<'a>) -> Result<ListStats, Fault<'a>> {
    Ok(ListStats {
        scanned: fields.number("nr_scanned")?,
        reclaimed: fields.number("nr_reclaimed")?,
        dirty: fields.number("nr_dirty")?,
        writeback: fields.number("nr_writeback")?,
        congested: fields.number("nr_congested")?,
        immediate: fields.number("nr_immediate")?,
        activate_anon: fields.number("nr_activate_anon")?,
        activate_file: fields.number("nr_activate_file")?,
        ref_keep: fields.number("nr_ref_keep")?,
        unmap_fail: fields.number("nr_unmap_fail")?,
        priority: None,
        file: None,
    })
}

fn write_folio(rest: &str) -> Result<What, Fault<'_>> {
    let mut fields = Fields::equals(rest);
    let pfn = fields.number("pfn")?;
    let flags = fields.text("flags")?;
    fields.finish()?;
    let choice = one_of(flags, "RECLAIM_WB_SYNC", "RECLAIM_WB_ASYNC");
    Ok(What::WriteFolio {
        pfn,
        anon: anonymous(flags)?,
        sync: choice.ok_or(Fault::new("flags", flags, "RECLAIM_WB_SYNC or RECLAIM_WB_ASYNC"))?,
    })
}

fn anonymous(flags: &str) -> Result<bool, Fault<'_>> {
    one_of(flags, "RECLAIM_WB_ANON", "RECLAIM_WB_FILE").ok_or(Fault::new(
        "flags",
        flags,
        "RECLAIM_WB_ANON or RECLAIM_WB_FILE",
    ))
}

/// Whether the flags have `yes` and not `no`; `None` if they have both or neither.
fn one_of(flags: &str, yes: &str, no: &str) -> Option<bool> {
    let has = |wanted: &str| flags.as_bytes().split(|&byte| byte == b'|').any(|flag| flag == wanted.as_bytes());
    (has(yes) != has(no)).then(|| has(yes))
}

/// A task switch, in the kernel's own form (`prev_comm=a prev_pid=1 prev_prio=120 prev_state=S ==>
/// next_comm=b next_pid=2 next_prio=120`) or in that of the `sched_switch` plugin of
/// libtraceevent (`a:1 [120] S ==> b:2 [120]`), which many installations of `perf` use.
fn switch(rest: &str) -> Result<What, Fault<'_>> {
    let Some(long) = rest.strip_prefix("prev_comm=") else {
        return switch_short(rest).ok_or(Fault::new(
            "prev_comm",
            rest,
            "prev_comm=.. ==> next_comm=.., or `COMM:PID [PRIO] STATE ==> COMM:PID [PRIO]`",
        ));
    };
    let (prev, next) =
        cut_last(long, b" ==> next_comm=").ok_or(Fault::missing("next_comm", "a second task after `==>`"))?;
    let mut prev = after_comm("prev_pid", prev, b" prev_pid=")?;
    let mut next = after_comm("next_pid", next, b" next_pid=")?;
    let switch = What::Switch {
        prev: tid("prev_pid", prev.text("prev_pid")?)?,
        prev_state: {
            let state = prev.text("prev_state")?;
            run_state(state).ok_or(Fault::new("prev_state", state, "a task state"))?
        },
        next: tid("next_pid", next.text("next_pid")?)?,
    };
    next.number::<u64>("next_prio")?;
    prev.finish()?;
    next.finish()?;
    Ok(switch)
}

/// The fields that follow a task's name, which itself may look like anything.
fn after_comm<'a, const N: usize>(field: &'static str, text: &'a str, mark: &[u8; N]) -> Result<Fields<'a>, Fault<'a>> {
    let (comm, _) = cut_last(text, mark).ok_or(Fault::missing(field, NUMBER))?;
    let end = comm.len();
    if end > MAX_COMM {
        let expected = "a task's name of at most 15 bytes before it";
        return Err(Fault::new(field, text, expected));
    }
    Ok(Fields::equals(&text[end + 1..]))
}

fn switch_short(rest: &str) -> Option<What> {
    let (prev, next) = cut_last(rest, b" ==> ")?;
    let (prev, state) = cut_last(prev, b"] ")?;
    Some(What::Switch {
        prev: short_task(prev)?,
        prev_state: run_state(state)?,
        next: short_task(next.strip_suffix(']')?)?,
    })
}

/// The thread id of `COMM:PID [PRIO`.
fn short_task(text: &str) -> Option<i32> {
    let (task, priority) = cut_last(text, b" [")?;
    let (comm, id) = cut_last(task, b":")?;
    number(priority)?;
    if comm.len() > MAX_COMM {
        return None;
    }
    task_id(id)
}

fn tid<'a>(field: &'static str, text: &'a str) -> Result<i32, Fault<'a>> {
    task_id(text).ok_or(Fault::new(field, text, NUMBER))
}

/// A state: a letter, which `+` (preempted) or further letters after `|` may follow.
fn run_state(text: &str) -> Option<RunState> {
    let (&letter, more) = text.as_bytes().split_first()?;
    let well_formed = letter.is_ascii_alphabetic()
        && more.iter().all(|&byte| byte.is_ascii_alphabetic() || matches!(byte, b'|' | b'+'));
    well_formed.then_some(match letter {
        b'R' => RunState::Running,
        b'S' => RunState::Sleeping,
        b'D' => RunState::Blocked,
        other => RunState::Other(other),
    })
}
