//! From text to a scenario, line by line. Whatever a line names has to stand above it.

use std::ops::Range;

use sim_core::nouns::types::{Cpu, Mm, Page};
use sim_core::oracle::Class;
use sim_core::policy;
use sim_core::step::era::{self, ERAS};
use sim_core::world::small::{CPUS, Cached, PAGES, Scenario, Start};

use super::lex::{Line, Text, Token, Words, choose};
use super::ops::{Namespace, Seen};
use super::page::PageLine;
use super::words::{self, BACKINGS, DIRTINESS, LINES, RIGHTS};
use super::{Expect, Litmus, switches};
use crate::error::TextError;

/// A CPU as its line says; its operations are read when all pages are known.
#[derive(Clone, Debug)]
struct CpuLine<'t> {
    kthread: bool,
    mm: Mm,
    program: Token<'t>,
    span: Range<usize>,
}

/// What the lines so far have said.
struct Draft<'t> {
    text: Text<'t>,
    litmus: Option<Token<'t>>,
    title: Option<Token<'t>>,
    source: Option<Token<'t>>,
    era: Option<&'static era::Era>,
    sets: Vec<(&'static switches::Switch, Token<'t>)>,
    pages: Vec<PageLine>,
    cached: Vec<(Cached, Range<usize>)>,
    cpus: Vec<CpuLine<'t>>,
    expects: Vec<Expect>,
    declared: Vec<Expect>,
}

impl Litmus {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// With the place of the first thing that is wrong, and what was expected there.
    pub fn parse(name: &str, text: &str) -> Result<Litmus, TextError> {
        let text = Text { name, text };
        let mut draft = Draft {
            text,
            litmus: None,
            title: None,
            source: None,
            era: None,
            sets: Vec::new(),
            pages: Vec::new(),
            cached: Vec::new(),
            cpus: Vec::new(),
            expects: Vec::new(),
            declared: Vec::new(),
        };
        for line in text.lines() {
            draft.line(&line)?;
        }
        draft.finish()
    }
}

impl<'t> Draft<'t> {
    fn line(&mut self, line: &Line<'t>) -> Result<(), TextError> {
        if self.litmus.is_none() && line.keyword.text != "litmus" {
            let message = format!("the first line is `{}`; expected `litmus NAME`", line.keyword.text);
            return Err(self.text.error(line.keyword.span.clone(), message));
        }
        match line.keyword.text {
            "litmus" => {
                let mut words = Words::new(self.text, &line.rest);
                let name = words.need("a name")?;
                words.end("litmus NAME")?;
                once(self.text, &mut self.litmus, line, name)
            }
            "title" => once(self.text, &mut self.title, line, line.rest.clone()),
            "source" => once(self.text, &mut self.source, line, line.rest.clone()),
            "era" => self.era(line),
            "set" => self.set(line),
            "page" => self.page(line),
            "cached" => self.cached(line),
            "cpu" => self.cpu(line),
            "expect" => self.expect(line, false),
            "weaker" => self.expect(line, true),
            other => {
                let message = format!("unknown `{other}`; expected one of {}", words::names(LINES));
                Err(self.text.error(line.keyword.span.clone(), message))
            }
        }
    }

    fn era(&mut self, line: &Line<'t>) -> Result<(), TextError> {
        let mut words = Words::new(self.text, &line.rest);
        let name = words.need("the name of an era")?;
        words.end("era NAME")?;
        let Some(found) = era::find(name.text) else {
            let known: Vec<_> = ERAS.iter().map(|era| era.name).collect();
            let message = format!("unknown era `{}`; expected one of {}", name.text, known.join(", "));
            return Err(self.text.error(name.span, message));
        };
        once(self.text, &mut self.era, line, found)
    }

    fn set(&mut self, line: &Line<'t>) -> Result<(), TextError> {
        let mut words = Words::new(self.text, &line.rest);
        let name = words.need("a switch")?;
        let value = words.need("its value")?;
        words.end("set SWITCH VALUE")?;
        let Some(switch) = switches::find(name.text) else {
            let known: Vec<_> = switches::SWITCHES.iter().map(|switch| switch.name).collect();
            let message = format!("unknown switch `{}`; expected one of {}", name.text, known.join(", "));
            return Err(self.text.error(name.span, message));
        };
        if self.sets.iter().any(|(set, _)| set.name == switch.name) {
            return Err(self
                .text
                .error(name.span, format!("`{}` is set already; expected one line for it", switch.name)));
        }
        self.sets.push((switch, value));
        Ok(())
    }

    fn page(&mut self, line: &Line<'t>) -> Result<(), TextError> {
        let (text, mut words) = (self.text, Words::new(self.text, &line.rest));
        let name = words.need("the name of a page")?;
        if !name.text.starts_with(|c: char| c.is_ascii_alphabetic())
            || !name.text.chars().all(|c| c.is_ascii_alphanumeric())
        {
            let message = format!("`{}` is no name of a page; expected a letter, then letters and digits", name.text);
            return Err(text.error(name.span, message));
        }
        if self.pages.iter().any(|page| page.name == name.text) {
            return Err(
                text.error(name.span, format!("there is a page `{}` already; expected another name", name.text))
            );
        }
        let rights = choose(text, &mut words, RIGHTS, "rights")?;
        let backing = choose(text, &mut words, BACKINGS, "a backing")?;
        let dirty = choose(text, &mut words, DIRTINESS, "the state of the PTE")?;
        let (mut table, mut mm) = (0, Mm(0));
        while let Some(option) = words.next() {
            match option.text {
                "table" => table = number(text, &mut words, "the number of a page table", PAGES as u8)?,
                "process" => mm = Mm(u16::from(number(text, &mut words, "the number of a process", 2)?)),
                other => {
                    let message = format!("unknown `{other}`; expected `table N` or `process N`");
                    return Err(text.error(option.span, message));
                }
            }
        }
        if self.pages.len() == PAGES {
            return Err(text.error(
                line.keyword.span.clone(),
                format!("this is one page more than fits; expected at most {PAGES}"),
            ));
        }
        let span = name.span;
        self.pages.push(PageLine { name: name.text.to_owned(), mm, rights, dirty, backing, table, span });
        Ok(())
    }

    fn cached(&mut self, line: &Line<'t>) -> Result<(), TextError> {
        let (text, mut words) = (self.text, Words::new(self.text, &line.rest));
        let at = words.peek().map_or(line.rest.span.clone(), |word| word.span.clone());
        let cpu = Cpu(u16::from(number(text, &mut words, "the number of a CPU", CPUS as u8)?));
        let name = words.need("the name of a page")?;
        let number = self.known_page(&name)?;
        let (page, mut cached) =
            (&self.pages[number], Cached { cpu, page: Page(number as u32), writable: false, dirty: false });
        while let Some(bit) = words.next() {
            let (held, granted) = match bit.text {
                "W" => (&mut cached.writable, page.start().pte(sim_core::nouns::types::FrameNo(0), true).writable),
                "D" => (&mut cached.dirty, page.dirty),
                other => return Err(text.error(bit.span, format!("unknown `{other}`; expected `W` or `D`"))),
            };
            if !granted {
                let message = format!(
                    "the PTE of `{}` has no {}; expected a translation that a walk could make",
                    page.name, bit.text
                );
                return Err(text.error(bit.span, message));
            }
            *held = true;
        }
        if !page.rights.read() {
            return Err(
                text.error(name.span, format!("`{}` is PROT_NONE; expected a page that can be cached", page.name))
            );
        }
        if self.cached.iter().any(|(other, _)| (other.cpu, other.page) == (cached.cpu, cached.page)) {
            let message = format!("CPU {} holds a translation of `{}` already; expected one", cpu.0, page.name);
            return Err(text.error(name.span, message));
        }
        self.cached.push((cached, at));
        Ok(())
    }

    fn cpu(&mut self, line: &Line<'t>) -> Result<(), TextError> {
        let text = self.text;
        let Some((head, program)) = text.halves(&line.rest) else {
            let end = line.rest.span.end;
            return Err(text.error(end..end, "there is no `:`; expected `cpu N: OPERATION; OPERATION`"));
        };
        let mut words = Words::new(text, &head);
        let which = words.peek().map_or(head.span.clone(), |word| word.span.clone());
        let n = number(text, &mut words, "the number of a CPU", CPUS as u8)?;
        if usize::from(n) != self.cpus.len() {
            let message = format!("this is CPU {n}; expected CPU {}, since they are counted from 0", self.cpus.len());
            return Err(text.error(which, message));
        }
        let mut cpu = CpuLine { kthread: false, mm: Mm(0), program, span: which };
        while let Some(option) = words.next() {
            match option.text {
                "kthread" => cpu.kthread = true,
                "process" => cpu.mm = Mm(u16::from(number(text, &mut words, "the number of a process", 2)?)),
                other => {
                    let message = format!("unknown `{other}`; expected `kthread` or `process N` before the `:`");
                    return Err(text.error(option.span, message));
                }
            }
        }
        if cpu.kthread && cpu.mm != Mm(0) {
            return Err(text.error(cpu.span, "a kernel thread has no process; expected `kthread` or `process N`"));
        }
        self.cpus.push(cpu);
        Ok(())
    }

    /// A verdict, under the contract of the system calls or under the one that the policies declare.
    fn expect(&mut self, line: &Line<'t>, declared: bool) -> Result<(), TextError> {
        let text = self.text;
        let end = line.rest.span.end;
        let reason = "there is no reason; expected `: REASON` after the policies";
        let (head, why) = text.halves(&line.rest).ok_or_else(|| text.error(end..end, reason))?;
        let mut words = Words::new(text, &head);
        let verdict = words.need("never or sometimes")?;
        let class = match verdict.text {
            "never" => None,
            "sometimes" => Some(class(text, &words.need("a class of violation")?)?),
            other => return Err(text.error(verdict.span, format!("unknown `{other}`; expected never or sometimes"))),
        };
        if why.text.is_empty() {
            return Err(text.error(end..end, "the line ends here; expected the reason"));
        }
        let mut name = words.need("a policy")?;
        loop {
            let Some(policy) = policy::find(name.text) else {
                let known: Vec<_> = policy::all().map(|policy| policy.name).collect();
                let message = format!("unknown policy `{}`; expected one of {}", name.text, known.join(", "));
                return Err(text.error(name.span, message));
            };
            if declared && !policy.is_weaker() {
                let message =
                    format!("`{}` declares no contract of its own; expected an `expect` line for it", policy.name);
                return Err(text.error(name.span, message));
            }
            let expects = if declared { &mut self.declared } else { &mut self.expects };
            if expects.iter().any(|other| other.policy.name == policy.name) {
                let message =
                    format!("a verdict of `{}` is expected already; expected one for each policy", policy.name);
                return Err(text.error(name.span, message));
            }
            expects.push(Expect { policy, class, reason: why.text.to_owned() });
            match words.next() {
                Some(next) => name = next,
                None => return Ok(()),
            }
        }
    }

    fn known_page(&self, name: &Token<'_>) -> Result<usize, TextError> {
        self.pages.iter().position(|page| page.name == name.text).ok_or_else(|| {
            let known: Vec<_> = self.pages.iter().map(|page| page.name.as_str()).collect();
            let known = if known.is_empty() { "a `page` line above".to_owned() } else { known.join(", ") };
            self.text.error(name.span.clone(), format!("unknown page `{}`; expected {known}", name.text))
        })
    }

    fn finish(self) -> Result<Litmus, TextError> {
        let text = self.text;
        let end = text.text.len();
        let missing = |what: &str| text.error(end..end, format!("the file ends here; expected a `{what}` line"));
        let name = self.litmus.as_ref().ok_or_else(|| missing("litmus"))?.text.to_owned();
        let title = self.title.as_ref().ok_or_else(|| missing("title"))?.text.to_owned();
        let source = self.source.as_ref().ok_or_else(|| missing("source"))?.text.to_owned();
        let mut era = *self.era.ok_or_else(|| missing("era"))?;
        if self.pages.is_empty() {
            return Err(missing("page"));
        }
        if self.cpus.is_empty() {
            return Err(missing("cpu"));
        }
        if self.expects.is_empty() {
            return Err(missing("expect"));
        }
        let mut scenario = self.scenario(&name)?;
        for (switch, value) in &self.sets {
            if !switch.set(value.text, &mut era, &mut scenario) {
                let message = format!("`{}` takes no `{}`; expected {}", switch.name, value.text, switch.values());
                return Err(text.error(value.span.clone(), message));
            }
        }
        Ok(Litmus { name, title, source, era, scenario, expects: self.expects, declared: self.declared })
    }

    fn scenario(&self, name: &str) -> Result<Scenario, TextError> {
        let mut scenario = Scenario::new(name, 1, 1, &[]);
        let of = |mm| self.pages.iter().filter(move |page| page.mm == mm);
        let forks = self.cpus.iter().any(|cpu| self.text.words(&cpu.program).iter().any(|word| word.text == "fork"));
        if forks && let Some(page) = of(Mm(1)).next() {
            let message =
                "process 1 is the child of the fork, where nothing is mapped at first; expected pages of process 0";
            return Err(self.text.error(page.span.clone(), message));
        }
        let other = of(Mm(1)).next().is_some() || self.cpus.iter().any(|cpu| cpu.mm == Mm(1));
        scenario.processes = 1 + u8::from(forks || other);
        scenario.pages = of(Mm(0)).count().max(of(Mm(1)).count()) as u8;
        if usize::from(scenario.all_pages()) > PAGES {
            let last = self.pages[PAGES / 2].span.clone();
            let message = format!("expected at most {} pages in each of two processes", PAGES / 2);
            return Err(self.text.error(last, message));
        }
        scenario.pages_per_table = self.pages_per_table(scenario.pages)?;
        scenario.starts = self.numbered().map(|(page, n)| Start { page: n, ..page.start() }).collect();
        scenario.names = vec![String::new(); usize::from(scenario.all_pages())];
        for n in 0..scenario.pages {
            scenario.names[usize::from(n)] =
                of(Mm(0)).nth(usize::from(n)).map_or("-".to_owned(), |page| page.name.clone());
            if scenario.processes > 1 {
                let child = scenario.names[usize::from(n)].clone() + "'";
                let own = of(Mm(1)).nth(usize::from(n)).map(|page| page.name.clone());
                scenario.names[usize::from(scenario.pages + n)] = own.unwrap_or(child);
            }
        }
        self.programs(&mut scenario, forks)?;
        for (cached, at) in &self.cached {
            let (page, n) = self.numbered().nth(cached.page.0 as usize).expect("a cached page is known");
            let runs = self.cpus.get(usize::from(cached.cpu.0)).filter(|cpu| !cpu.kthread && cpu.mm == page.mm);
            if runs.is_none() {
                let message =
                    format!("CPU {} does not run process {}; expected one that does", cached.cpu.0, page.mm.0);
                return Err(self.text.error(at.clone(), message));
            }
            scenario.cached.push(Cached { page: scenario.page(page.mm, n), ..*cached });
        }
        Ok(scenario)
    }

    /// Every page with its number within its process.
    fn numbered(&self) -> impl Iterator<Item = (&PageLine, u8)> {
        self.pages
            .iter()
            .enumerate()
            .map(|(at, page)| (page, self.pages[..at].iter().filter(|other| other.mm == page.mm).count() as u8))
    }

    /// Page tables are as the model has them: filled in order, each but the last with as many pages.
    fn pages_per_table(&self, pages: u8) -> Result<u8, TextError> {
        let in_first = |mm| self.pages.iter().filter(|page| page.mm == mm && page.table == 0).count() as u8;
        let one_table = self.pages.iter().all(|page| page.table == 0);
        let each = if one_table { pages } else { in_first(Mm(0)).max(in_first(Mm(1))).max(1) };
        match self.numbered().find(|(page, n)| page.table != n / each) {
            None => Ok(each),
            Some((page, n)) => {
                let message = format!(
                    "`{}` cannot be under table {}; expected table {}, since each but the last has as many pages as the first",
                    page.name,
                    page.table,
                    n / each
                );
                Err(self.text.error(page.span.clone(), message))
            }
        }
    }

    fn programs(&self, scenario: &mut Scenario, forks: bool) -> Result<(), TextError> {
        for (n, cpu) in self.cpus.iter().enumerate() {
            if cpu.kthread {
                scenario.kernel_threads.push(Cpu(n as u16));
            } else if cpu.mm == Mm(1) {
                scenario.children.push(Cpu(n as u16));
            }
        }
        let pages: Vec<(&PageLine, u64)> = self.numbered().map(|(page, n)| (page, scenario.vpn(n))).collect();
        let mut seen = Seen::default();
        for cpu in &self.cpus {
            let alone = self.cpus.iter().filter(|other| !other.kthread && other.mm == cpu.mm).count() == 1;
            let names =
                Namespace { text: self.text, pages: &pages, mm: (!cpu.kthread).then_some(cpu.mm), forks, alone };
            let program = names.program(&cpu.program, &mut seen)?;
            scenario.lru |= program.iter().any(|op| op.kind == sim_core::nouns::op::OpKind::Kswapd);
            scenario.programs.push(program);
            seen.next_cpu();
        }
        seen.finish(self.text)
    }
}

/// A line that may be there once.
fn once<T>(text: Text<'_>, slot: &mut Option<T>, line: &Line<'_>, value: T) -> Result<(), TextError> {
    let word = &line.keyword;
    if line.rest.text.is_empty() {
        let end = word.span.end;
        return Err(text.error(end..end, format!("the line ends here; expected something after `{}`", word.text)));
    }
    if slot.is_some() {
        return Err(text.error(word.span.clone(), format!("there is a `{}` line already; expected one", word.text)));
    }
    *slot = Some(value);
    Ok(())
}

/// A number below a bound.
fn number(text: Text<'_>, words: &mut Words<'_>, what: &str, bound: u8) -> Result<u8, TextError> {
    let expected = format!("{what}, 0 to {}", bound - 1);
    let word = words.need(&expected)?;
    let parsed = word.text.parse().ok().filter(|n| *n < bound);
    parsed.ok_or_else(|| text.error(word.span, format!("`{}` does not fit; expected {expected}", word.text)))
}

fn class(text: Text<'_>, word: &Token<'_>) -> Result<Class, TextError> {
    words::class(word.text).ok_or_else(|| {
        let known: Vec<_> = Class::ALL.iter().map(|class| class.name()).collect();
        text.error(word.span.clone(), format!("unknown class `{}`; expected one of {}", word.text, known.join(", ")))
    })
}
