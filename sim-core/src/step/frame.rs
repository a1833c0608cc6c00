//! Frames, steps and acts: how a kernel path is cut into atomic pieces.

use crate::nouns::marks::{Class, Marks};
use crate::nouns::op::{Op, OpKind};
use crate::nouns::types::{AccessKind, Actor, Cpu, FrameNo, Lock, Mm, Page, Pte, Span};
use crate::policy::Policy;
pub use crate::step::act::Act;
use crate::step::era::Era;
use crate::world::{Cause, Request, World};

/// The kernel paths; one file each in `kernel/path/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Path {
    /// A user access: translate, walk, assist, fault.
    Access,
    /// The page-fault handler.
    Fault,
    /// `mprotect`, steps M.
    Mprotect,
    /// `munmap`, steps Z.
    Munmap,
    /// `madvise(MADV_DONTNEED)`, steps Z.
    Dontneed,
    /// `madvise(MADV_FREE)`, steps A.
    Free,
    /// `mremap`, steps V.
    Mremap,
    /// `fork`, steps K.
    Fork,
    /// Writeback and `page_mkclean()`, steps W.
    Writeback,
    /// Migration of a page, steps G0..G6.
    Migrate,
    /// `ftruncate`, steps T.
    Truncate,
    /// KSM merges a page, steps S0..S9.
    Ksm,
    /// `mmap`.
    Mmap,
    /// `madvise(MADV_PAGEOUT)`, steps P.
    Pageout,
    /// A call without effect here.
    Other,
    /// User code that synchronises by itself.
    User,
    /// `mincore`, steps I.
    Mincore,
    /// `pin_user_pages_fast()`, steps Q.
    Gup,
    /// `unmap_mapping_range()` by a driver, steps D.
    UnmapMapping,
    /// `shrink_folio_list`, steps R1..R9.
    Reclaim,
    /// `balance_pgdat`, kswapd's loop.
    Kswapd,
    /// `shrink_lruvec`: refill of the inactive list, and one shrink list off it.
    Shrink,
    /// `folio_referenced`: the accessed bit of one mapping, part of R2.
    Referenced,
    /// `try_to_unmap_one`, steps R4.
    Unmap,
    /// A shootdown seen from its initiator, steps X.
    Flush,
    /// A shootdown seen from a target: the call-function interrupt, steps G.
    Irq,
    /// A tick that frees what was held back for other CPUs' flushes.
    Held,
}

impl Path {
    /// All of them, in order.
    pub const ALL: [Path; 27] = [
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
        Path::User,
        Path::Mincore,
        Path::Gup,
        Path::UnmapMapping,
        Path::Reclaim,
        Path::Kswapd,
        Path::Shrink,
        Path::Referenced,
        Path::Unmap,
        Path::Flush,
        Path::Irq,
        Path::Held,
    ];

    /// The kernel function that it is the text of, or what it does where there is no single one.
    pub fn name(self) -> &'static str {
        match self {
            Path::Access => "user access",
            Path::Fault => "handle_mm_fault()",
            Path::Mprotect => "mprotect()",
            Path::Munmap => "munmap()",
            Path::Dontneed => "madvise(MADV_DONTNEED)",
            Path::Free => "madvise(MADV_FREE)",
            Path::Mremap => "mremap()",
            Path::Fork => "fork()",
            Path::Writeback => "writeback, page_mkclean()",
            Path::Migrate => "migrate_pages()",
            Path::Truncate => "ftruncate()",
            Path::Ksm => "KSM",
            Path::Mmap => "mmap()",
            Path::Pageout => "madvise(MADV_PAGEOUT)",
            Path::Other => "a call without effect here",
            Path::User => "user code",
            Path::Mincore => "mincore()",
            Path::Gup => "pin_user_pages_fast()",
            Path::UnmapMapping => "unmap_mapping_range()",
            Path::Reclaim => "shrink_folio_list()",
            Path::Kswapd => "balance_pgdat()",
            Path::Shrink => "shrink_lruvec()",
            Path::Referenced => "folio_referenced()",
            Path::Unmap => "try_to_unmap_one()",
            Path::Flush => "shootdown, the initiator (X)",
            Path::Irq => "shootdown, a target (G)",
            Path::Held => "a tick that frees what was held back",
        }
    }

    /// Does it run on top of whatever the CPU is doing, with interrupts off?
    pub fn interrupts(self) -> bool {
        matches!(self, Path::Irq | Path::Held)
    }
}

/// One activation of a path. Small enough to copy; packed further by the explorer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Which path.
    pub path: Path,
    /// Its next step.
    pub pc: u8,
    /// What the last callee returned.
    pub ret: u8,
    /// Where a policy hook under way goes on; 0 if none is.
    pub hook: u8,
    /// Flags of the path.
    pub flags: u8,
    /// A register of a policy hook.
    pub local: u32,
    /// The page at hand.
    pub page: Page,
    /// The frame at hand.
    pub frame: FrameNo,
    /// How far a walk has come from its cursor.
    pub count: u32,
    /// How far a walk has come: a page number, or a CPU number in a shootdown.
    pub cursor: u64,
}

impl Frame {
    /// A path at its first step.
    #[inline]
    pub fn new(path: Path) -> Frame {
        Frame {
            path,
            pc: 0,
            ret: 0,
            hook: 0,
            flags: 0,
            local: 0,
            page: Page(0),
            frame: FrameNo(0),
            count: 0,
            cursor: 0,
        }
    }

    /// The frame a task starts an operation with.
    #[inline]
    pub fn entry(op: &Op) -> Frame {
        Frame::new(match op.kind {
            OpKind::Access(_) => Path::Access,
            OpKind::Mprotect | OpKind::NumaScan | OpKind::SoftDirty(_) | OpKind::UffdWp => Path::Mprotect,
            OpKind::Munmap | OpKind::Exit(_) => Path::Munmap,
            OpKind::Fork(_) => Path::Fork,
            OpKind::Writeback(_) => Path::Writeback,
            OpKind::Migrate(_) => Path::Migrate,
            OpKind::Truncate(_) => Path::Truncate,
            OpKind::Ksm(..) => Path::Ksm,
            OpKind::Mremap => Path::Mremap,
            OpKind::Mmap(_) => Path::Mmap,
            OpKind::Dontneed => Path::Dontneed,
            OpKind::Free => Path::Free,
            OpKind::Pageout => Path::Pageout,
            OpKind::Other => Path::Other,
            OpKind::Signal(_) | OpKind::Await(_) => Path::User,
            OpKind::Mincore(_) => Path::Mincore,
            OpKind::Gup => Path::Gup,
            OpKind::UnmapMapping(_) => Path::UnmapMapping,
            OpKind::Reclaim(_) => Path::Reclaim,
            OpKind::Kswapd => Path::Kswapd,
        })
    }

    /// The same, about one page.
    pub fn about(path: Path, page: Page) -> Frame {
        Frame { page, ..Frame::new(path) }
    }
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on with the frame's `pc`.
    Next,
    /// Nothing was done: try again when this has changed.
    Blocked(Wait),
    /// Run another path, then go on with the frame's `pc`.
    Call(Frame),
    /// The path is done.
    Return(u8),
}

/// What a blocked step waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wait {
    /// A lock.
    Lock(Lock),
    /// The acknowledgements of the shootdown of this CPU.
    Acks,
    /// The broadcast invalidations this CPU has issued.
    Broadcasts,
    /// Other CPUs to sweep what a munmap has left to them.
    Sweeps,
    /// The folio lock that reclaim holds.
    Folio(FrameNo),
    /// A frame to be freed.
    Memory,
    /// The swap device to complete a request.
    Io,
    /// A flag of user space.
    Flag(u8),
}

/// A step's place in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StepId {
    /// The path.
    pub path: Path,
    /// The step.
    pub pc: u8,
}

/// Hears of every act; what the clock prices and the tests compare.
pub trait Probe {
    /// A step did this.
    fn act(&mut self, who: Actor, act: Act, at: StepId);

    /// A step was made, with an act or without; one that is blocked is not.
    fn step(&mut self, at: StepId) {
        let _ = at;
    }

    /// A marked translation was used. Whether the promise it breaks already binds this CPU is for the driver to say: under
    /// the clock nothing can happen after a promise sooner than one coherence latency.
    fn marked_use(&mut self, who: Actor, page: Page, kind: AccessKind, marks: Marks);

    /// Another promise changes the marks of a translation, which were `old`.
    fn remarked(&mut self, cpu: Cpu, page: Page, old: Marks) {
        let _ = (cpu, page, old);
    }

    /// A usable translation broke a promise (`Some`), or the last mark of one was removed with it (`None`).
    fn window(&mut self, cpu: Cpu, page: Page, class: Option<Class>);
}

/// Everything a step may reach.
pub struct Cx<'a, W: World, P: Probe> {
    /// The primitives.
    pub world: &'a mut W,
    /// The strategy.
    pub policy: &'a dyn Policy,
    /// The surrounding kernel.
    pub era: &'a Era,
    /// Who listens.
    pub probe: &'a mut P,
    /// Has the step acted? A step that has not is private, and the next one joins it.
    pub acted: bool,
    /// The step at hand.
    pub at: StepId,
}

impl<W: World, P: Probe> Cx<'_, W, P> {
    /// Reports an act.
    pub fn act(&mut self, who: Actor, act: Act) {
        self.acted = true;
        self.probe.act(who, act, self.at);
    }

    /// Takes a lock and goes on with step `next`, or blocks.
    pub fn lock(&mut self, who: Actor, f: &mut Frame, lock: Lock, next: u8) -> Flow {
        if !self.world.try_lock(who, lock) {
            return Flow::Blocked(Wait::Lock(lock));
        }
        self.act(who, Act::Lock(lock));
        f.pc = next;
        Flow::Next
    }

    /// Releases a lock and goes on with step `next`.
    pub fn unlock(&mut self, who: Actor, f: &mut Frame, lock: Lock, next: u8) -> Flow {
        self.world.unlock(who, lock);
        self.act(who, Act::Unlock(lock));
        f.pc = next;
        Flow::Next
    }

    /// Makes a hold of `mmap_lock` for writing one for reading.
    pub fn downgrade(&mut self, who: Actor, mm: Mm) {
        self.world.downgrade(who, mm);
        self.act(who, Act::Downgrade(mm));
    }

    /// Exchanges a PTE and reports it.
    pub fn xchg(&mut self, who: Actor, page: Page, new: Pte) -> Pte {
        let old = self.world.pte_xchg(page, new);
        self.act(who, Act::PteXchg { page, old, new });
        old
    }

    /// Starts a shootdown: the frame to call, or none if there is nothing to do.
    pub fn flush(request: Request) -> Frame {
        let mut frame = Frame::new(Path::Flush);
        (frame.flags, frame.local) = (cause_code(request.cause), u32::from(request.mm.map_or(u16::MAX, |mm| mm.0)));
        frame.count = u32::from(request.freed_tables) | u32::from(request.catch_up) << 1;
        if let Some(span) = request.span {
            frame.cursor = span.first;
            frame.page = Page(u32::try_from(span.pages).unwrap_or(u32::MAX).max(1));
        }
        frame
    }
}

/// The request packed into the frame that [`Cx::flush`] made.
pub(crate) fn request_of(f: &Frame) -> Request {
    Request {
        mm: u16::try_from(f.local).ok().filter(|&mm| mm != u16::MAX).map(Mm),
        span: (f.page.0 > 0).then_some(Span { first: f.cursor, pages: u64::from(f.page.0) }),
        cause: CAUSES[usize::from(f.flags)],
        freed_tables: f.count & 1 != 0,
        catch_up: f.count & 2 != 0,
    }
}

const CAUSES: [Cause; 7] =
    [Cause::Batch, Cause::BeforeIo, Cause::PendingCheck, Cause::Operation, Cause::PerPage, Cause::Cow, Cause::Nested];

fn cause_code(cause: Cause) -> u8 {
    CAUSES.iter().position(|&c| c == cause).map_or(0, |i| i as u8)
}

/// A step's number in the reference and the kernel function it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// The number, such as `R4.4a`.
    pub id: &'static str,
    /// What happens, in the kernel's words.
    pub text: &'static str,
}

/// Declares the steps of a path, in order, each with its number and a label for witnesses.
macro_rules! steps {
    ($($variant:ident = $id:literal $text:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        enum Step { $($variant),* }
        impl Step {
            const ALL: &'static [Step] = &[$(Step::$variant),*];
            fn of(f: &$crate::step::frame::Frame) -> Step {
                Step::ALL[usize::from(f.pc)]
            }
        }
        /// The steps of this path.
        pub(super) const LABELS: &[$crate::step::frame::Label] =
            &[$($crate::step::frame::Label { id: $id, text: $text }),*];
    };
}
pub(crate) use steps;
