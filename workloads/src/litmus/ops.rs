//! The operations of a CPU.

use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Backing, Mm, Span};
use sim_core::world::small::FLAGS;

use super::lex::{Text, Token, Words, choose};
use super::page::PageLine;
use super::words::{self, ADVICE, BACKINGS, NOT_YET, OPERATIONS, RIGHTS};
use crate::error::TextError;

/// The program counter of a CPU has four bits.
const OPERATIONS_MAX: usize = 15;

/// What a kernel thread may do.
const KTHREAD: [&str; 8] =
    ["reclaim", "kswapd", "mkclean", "migrate", "truncate", "ksm", "soft-dirty", "unmap-mapping"];

/// What a CPU may name.
pub(super) struct Namespace<'d, 't> {
    pub(super) text: Text<'t>,
    /// All pages with their page numbers.
    pub(super) pages: &'d [(&'d PageLine, u64)],
    /// The process of the CPU; none for a kernel thread.
    pub(super) mm: Option<Mm>,
    /// Is process 1 the child of a fork? It then calls its pages as its parent does.
    pub(super) forks: bool,
    /// Is this the only CPU of its process?
    pub(super) alone: bool,
}

/// What the programs of all CPUs together have named.
#[derive(Default)]
pub(super) struct Seen<'t> {
    /// There is a fork.
    pub(super) forked: bool,
    /// Flags of user space, by number; the one without a name is called by an empty one.
    flags: Vec<&'t str>,
    /// The CPU whose program is read.
    cpu: usize,
    /// Flags, with the CPU that signals or awaits each.
    signalled: Vec<(u8, usize)>,
    awaited: Vec<(u8, usize, Token<'t>)>,
}

impl Seen<'_> {
    /// The next CPU's program follows.
    pub(super) fn next_cpu(&mut self) {
        self.cpu += 1;
    }

    /// Whatever is awaited has to be signalled by somebody else.
    pub(super) fn finish(&self, text: Text<'_>) -> Result<(), TextError> {
        let signals = |flag, cpu| self.signalled.iter().any(|&(other, by)| other == flag && by != cpu);
        match self.awaited.iter().find(|&&(flag, cpu, _)| !signals(flag, cpu)) {
            None => Ok(()),
            Some((_, _, word)) => {
                let message =
                    format!("nobody signals what `{}` waits for; expected a `signal` of it on another CPU", word.text);
                Err(text.error(word.span.clone(), message))
            }
        }
    }
}

/// What goes with the memory of a driver.
const WITH_PFN: &[&str] =
    &["read", "write", "mprotect", "munmap", "exit", "mincore", "gup", "reclaim", "unmap-mapping"];

/// Pages in a row.
#[derive(Clone, Copy)]
struct Named {
    mm: Mm,
    span: Span,
}

impl<'t> Namespace<'_, 't> {
    /// The operations between the `;` of a line.
    pub(super) fn program(&self, line: &Token<'t>, seen: &mut Seen<'t>) -> Result<Vec<Op>, TextError> {
        let all = self.text.words(line);
        let mut program = Vec::new();
        let mut rest = all.as_slice();
        while !rest.is_empty() {
            let length = rest.iter().position(|word| word.text == ";").unwrap_or(rest.len());
            let (part, after) = rest.split_at(length);
            rest = after.get(1..).unwrap_or_default();
            let Some(first) = part.first() else {
                return Err(self
                    .text
                    .error(after[0].span.clone(), "there is nothing before this; expected an operation"));
            };
            if program.len() == OPERATIONS_MAX {
                return Err(self
                    .text
                    .error(first.span.clone(), format!("expected at most {OPERATIONS_MAX} operations")));
            }
            let end = part.last().map_or(first.span.end, |word| word.span.end);
            let words = Words::of(self.text, part[1..].to_vec(), end);
            program.push(self.operation(first, words, rest.is_empty(), seen)?);
        }
        Ok(program)
    }

    fn operation(
        &self,
        name: &Token<'t>,
        mut words: Words<'t>,
        last: bool,
        seen: &mut Seen<'t>,
    ) -> Result<Op, TextError> {
        let Some(known) = OPERATIONS.iter().find(|word| word.name == name.text) else {
            let message = if NOT_YET.contains(&name.text) {
                format!("the model has no `{}` yet; expected one of {}", name.text, words::names(OPERATIONS))
            } else {
                format!("unknown operation `{}`; expected one of {}", name.text, words::names(OPERATIONS))
            };
            return Err(self.text.error(name.span.clone(), message));
        };
        self.may(name)?;
        let words = &mut words;
        let call = |kind, named: Named| Op::call(kind, named.span);
        let op = match name.text {
            "read" => Op::access(AccessKind::Load, self.place(words)?.span.first),
            "write" => Op::access(AccessKind::Store, self.place(words)?.span.first),
            "mprotect" => Op::mprotect(self.span(words)?.span, choose(self.text, words, RIGHTS, "rights")?),
            "munmap" => call(OpKind::Munmap, self.span(words)?),
            "mmap" => self.mmap(words)?,
            "madvise" => self.madvise(words)?,
            "mremap" => self.mremap(words)?,
            "fork" => self.fork(name, &mut seen.forked)?,
            "exit" => self.exit(name, last)?,
            "reclaim" => self.reclaim(words)?,
            "signal" | "await" => self.flag(name, words, seen)?,
            "kswapd" => Op::call(OpKind::Kswapd, Span::default()),
            "mkclean" => {
                let named = self.span(words)?;
                call(OpKind::Writeback(named.mm), named)
            }
            "mincore" => self.mincore(words)?,
            "gup" => call(OpKind::Gup, self.place(words)?),
            "migrate" => {
                let named = self.place(words)?;
                call(OpKind::Migrate(named.mm), named)
            }
            "unmap-mapping" => {
                let named = self.span(words)?;
                call(OpKind::UnmapMapping(named.mm), named)
            }
            "truncate" => {
                let named = self.span(words)?;
                call(OpKind::Truncate(named.mm), named)
            }
            "ksm" => self.ksm(words)?,
            "soft-dirty" => {
                let named = self.span(words)?;
                call(OpKind::SoftDirty(named.mm), named)
            }
            "uffd-wp" => call(OpKind::UffdWp, self.span(words)?),
            _ => call(OpKind::NumaScan, self.span(words)?),
        };
        words.end(known.form)?;
        self.drivers(name, op)?;
        Ok(op)
    }

    /// The memory of a driver is mapped from the start, and nothing but its driver and munmap takes it away.
    fn drivers(&self, name: &Token<'t>, op: Op) -> Result<(), TextError> {
        let mm = match op.kind {
            OpKind::Reclaim(mm)
            | OpKind::Writeback(mm)
            | OpKind::Migrate(mm)
            | OpKind::Truncate(mm)
            | OpKind::SoftDirty(mm)
            | OpKind::UnmapMapping(mm) => Some(mm),
            _ => self.mm,
        };
        let target = Span { first: op.to, pages: if op.kind == OpKind::Mremap { op.span.pages } else { 0 } };
        let touches = |vpn: u64| op.span.contains(vpn) || target.contains(vpn);
        let mut named = self.pages.iter().filter(|&&(page, vpn)| Some(page.mm) == mm && touches(vpn));
        let driver = name.text == "unmap-mapping";
        if driver && let Some((page, _)) = named.clone().find(|(page, _)| page.backing != Backing::Pfn) {
            let message = format!("`{}` is no memory of a driver; expected pages with the backing pfn", page.name);
            return Err(self.text.error(name.span.clone(), message));
        }
        match named.find(|(page, _)| page.backing == Backing::Pfn) {
            Some((page, _)) if !WITH_PFN.contains(&name.text) => {
                let (page, known) = (&page.name, WITH_PFN.join(", "));
                let message =
                    format!("`{page}` is memory of a driver, which takes no `{}`; expected {known}", name.text);
                Err(self.text.error(name.span.clone(), message))
            }
            _ => Ok(()),
        }
    }

    /// A kernel thread has no user code and makes no calls.
    fn may(&self, name: &Token<'t>) -> Result<(), TextError> {
        if self.mm.is_none() && !KTHREAD.contains(&name.text) {
            let message = format!("a kernel thread does no `{}`; expected {}", name.text, KTHREAD.join(", "));
            return Err(self.text.error(name.span.clone(), message));
        }
        if self.mm.is_some() && name.text == "kswapd" {
            return Err(self
                .text
                .error(name.span.clone(), "kswapd is a kernel thread; expected it on a `kthread` CPU"));
        }
        Ok(())
    }

    /// A page and another one, which keeps its frame.
    fn ksm(&self, words: &mut Words<'t>) -> Result<Op, TextError> {
        let merged = self.place(words)?;
        let word = words.need("the page whose frame it gets")?;
        let stable = self.page(&word, word.text)?;
        if (stable.mm, stable.span) == (merged.mm, merged.span) {
            return Err(self.text.error(word.span, "a page has its own frame already; expected another page"));
        }
        Ok(Op::ksm((merged.mm, merged.span.first), (stable.mm, stable.span.first)))
    }

    /// One page by name.
    fn page(&self, word: &Token<'t>, name: &str) -> Result<Named, TextError> {
        let Some((page, vpn)) = self.pages.iter().find(|(page, _)| page.name == name) else {
            let known: Vec<_> = self.pages.iter().map(|(page, _)| page.name.as_str()).collect();
            let message = format!("unknown page `{name}`; expected {}", known.join(", "));
            return Err(self.text.error(word.span.clone(), message));
        };
        let mine = self.mm.is_none_or(|mm| mm == page.mm || self.forks);
        if !mine {
            let message = format!("`{name}` is a page of process {}; expected one of this CPU's process", page.mm.0);
            return Err(self.text.error(word.span.clone(), message));
        }
        // The child calls its copy as its parent does.
        let mm = self.mm.unwrap_or(page.mm);
        Ok(Named { mm, span: Span::page(*vpn) })
    }

    fn place(&self, words: &mut Words<'t>) -> Result<Named, TextError> {
        let word = words.need("a page")?;
        if word.text.contains("..") {
            return Err(self.text.error(word.span, "an access is to one page; expected a page, not a span"));
        }
        self.page(&word, word.text)
    }

    /// One page, or several in a row.
    fn span(&self, words: &mut Words<'t>) -> Result<Named, TextError> {
        let word = words.need("a page, or a span A..C")?;
        self.span_of(&word)
    }

    fn span_of(&self, word: &Token<'t>) -> Result<Named, TextError> {
        let Some((from, to)) = word.text.split_once("..") else {
            return self.page(word, word.text);
        };
        let (first, last) = (self.page(word, from)?, self.page(word, to)?);
        if first.mm != last.mm || last.span.first <= first.span.first {
            let message =
                format!("`{to}` does not come after `{from}`; expected a span that goes forward in one process");
            return Err(self.text.error(word.span.clone(), message));
        }
        Ok(Named { mm: first.mm, span: first.span.cover(last.span) })
    }

    fn mmap(&self, words: &mut Words<'t>) -> Result<Op, TextError> {
        let named = self.span(words)?;
        let rights = choose(self.text, words, RIGHTS, "rights")?;
        let backing = match words.peek() {
            Some(word) if word.text == "pfn" => {
                let message = "a driver maps its memory from the start; expected anon, file or private";
                return Err(self.text.error(word.span.clone(), message));
            }
            Some(_) => choose(self.text, words, BACKINGS, "a backing")?,
            None => Backing::Anon,
        };
        Ok(Op { rights, ..Op::call(OpKind::Mmap(backing), named.span) })
    }

    fn madvise(&self, words: &mut Words<'t>) -> Result<Op, TextError> {
        let named = self.span(words)?;
        let expected = format!("an advice: {}", words::names(ADVICE));
        let word = words.need(&expected)?;
        let kind = match word.text {
            "dontneed" => OpKind::Dontneed,
            "free" => OpKind::Free,
            "pageout" => OpKind::Pageout,
            other => return Err(self.text.error(word.span, format!("unknown `{other}`; expected {expected}"))),
        };
        Ok(Op::call(kind, named.span))
    }

    fn mremap(&self, words: &mut Words<'t>) -> Result<Op, TextError> {
        let from = self.span(words)?;
        let to = words.need("the page whose place is taken")?;
        let place = self.page(&to, to.text)?;
        let target = Span { first: place.span.first, ..from.span };
        if target.clip(from.span).pages > 0 {
            return Err(self.text.error(to.span, "the new place overlaps the old one; expected a page outside it"));
        }
        if !self.pages.iter().any(|(page, vpn)| page.mm == place.mm && vpn + 1 == target.end()) && !self.forks {
            return Err(self.text.error(to.span, "the new place has too few pages; expected as many as are moved"));
        }
        Ok(Op::mremap(from.span, target.first))
    }

    fn fork(&self, name: &Token<'t>, forked: &mut bool) -> Result<Op, TextError> {
        if self.mm != Some(Mm(0)) {
            return Err(self.text.error(name.span.clone(), "the child does not fork; expected a CPU of process 0"));
        }
        if std::mem::replace(forked, true) {
            return Err(self
                .text
                .error(name.span.clone(), "there is a fork already; expected one, since there are two processes"));
        }
        Ok(Op::fork(Mm(1)))
    }

    fn exit(&self, name: &Token<'t>, last: bool) -> Result<Op, TextError> {
        if !self.alone || !last {
            let message = "nobody is left in the process; expected the last operation of its only CPU";
            return Err(self.text.error(name.span.clone(), message));
        }
        Ok(Op::exit(self.mm.expect("a kernel thread does not exit")))
    }

    fn mincore(&self, words: &mut Words<'t>) -> Result<Op, TextError> {
        let named = self.place(words)?;
        let trusted = match words.next() {
            None => false,
            Some(word) if word.text == "trusted" => true,
            Some(word) => {
                let message = format!("unknown `{}`; expected `trusted` or nothing", word.text);
                return Err(self.text.error(word.span, message));
            }
        };
        Ok(Op::call(OpKind::Mincore(trusted), named.span))
    }

    /// A flag by name, or the one without.
    fn flag(&self, name: &Token<'t>, words: &mut Words<'t>, seen: &mut Seen<'t>) -> Result<Op, TextError> {
        let word = words.next();
        let flag = word.as_ref().map_or("", |word| word.text);
        let known = seen.flags.iter().position(|&other| other == flag).unwrap_or_else(|| {
            seen.flags.push(flag);
            seen.flags.len() - 1
        });
        let at = word.unwrap_or_else(|| name.clone());
        if known == FLAGS {
            let message = format!("`{}` is one flag more than fits; expected at most {FLAGS}", at.text);
            return Err(self.text.error(at.span, message));
        }
        let number = known as u8;
        if name.text == "signal" {
            seen.signalled.push((number, seen.cpu));
            return Ok(Op::call(OpKind::Signal(number), Span::default()));
        }
        seen.awaited.push((number, seen.cpu, at));
        Ok(Op::call(OpKind::Await(number), Span::default()))
    }

    /// One list: its pages stand next to each other.
    fn reclaim(&self, words: &mut Words<'t>) -> Result<Op, TextError> {
        let mut list = self.span(words)?;
        while let Some(word) = words.next() {
            let next = self.span_of(&word)?;
            let between = |vpn: u64| list.span.end() <= vpn && vpn < next.span.first;
            let apart = self.pages.iter().any(|&(page, vpn)| page.mm == next.mm && between(vpn));
            if next.mm != list.mm || next.span.first < list.span.end() || apart {
                let message = format!(
                    "`{}` does not stand next to the page before; expected pages in a row, or two lists",
                    word.text
                );
                return Err(self.text.error(word.span, message));
            }
            list.span = list.span.cover(next.span);
        }
        Ok(Op::call(OpKind::Reclaim(list.mm), list.span))
    }
}
