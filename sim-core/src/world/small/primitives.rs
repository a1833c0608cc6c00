//! The primitives of the small world.

use super::{
    AccessKind, Actor, Batch, Cpu, CpuSet, Entry, Folio, FrameNo, Gather, IoQueue, Lock, Lockless, Lru, Memory, Mm, Op,
    Page, Promise, Pte, Request, Rights, Small, Span, TABLE_SHIFT, Table, Task, TlbLevel, Vma, Words, World,
    take_lowest,
};

impl World for Small<'_> {
    fn op(&self, task: Task) -> Op {
        self.program_op(Cpu(task.0)).expect("a task that steps has an operation")
    }

    fn mm(&self, task: Task) -> Option<Mm> {
        self.loaded(Cpu(task.0))
    }

    fn loaded(&self, cpu: Cpu) -> Option<Mm> {
        self.scenario.home(cpu)
    }

    fn lazy(&self, _cpu: Cpu) -> bool {
        false
    }

    fn leave_lazy(&mut self, _cpu: Cpu) {
        unreachable!("nobody is lazy in the small world");
    }

    fn usable(&self, _cpu: Cpu, _page: Page) -> bool {
        true
    }

    fn page(&self, mm: Mm, vpn: u64) -> Option<Page> {
        (0..self.scenario.pages).find(|&n| self.scenario.vpn(n) == vpn).map(|n| self.nth(mm, n))
    }

    fn populate(&mut self, mm: Mm, vpn: u64) -> Page {
        let page = self.page(mm, vpn).expect("a scenario names only its own pages");
        self.set_table_freed(mm, vpn, false);
        page
    }

    fn mm_of(&self, page: Page) -> Mm {
        Mm((page.0 / u32::from(self.scenario.pages)) as u16)
    }

    fn vpn(&self, page: Page) -> u64 {
        self.scenario.vpn((page.0 % u32::from(self.scenario.pages)) as u8)
    }

    fn table_of(&self, page: Page) -> Table {
        let (pages, per_table) = (u32::from(self.scenario.pages), u32::from(self.scenario.pages_per_table));
        Table(page.0 / pages * pages.div_ceil(per_table) + page.0 % pages / per_table)
    }

    fn table_at(&self, mm: Mm, vpn: u64) -> Option<Table> {
        let page = self.next_page(mm, self.table_span(vpn))?;
        (!self.shared.table_freed.get(page.0 as usize)).then(|| self.table_of(page))
    }

    fn next_table(&self, mm: Mm, span: Span) -> Option<u64> {
        let first = |n| self.table_span(self.scenario.vpn(n)).first;
        let reaches = |n: &u8| self.table_span(self.scenario.vpn(*n)).clip(span).pages > 0;
        let exists = |n: &u8| !self.shared.table_freed.get(self.nth(mm, *n).0 as usize);
        (0..self.scenario.pages).filter(exists).find(reaches).map(first)
    }

    fn free_table(&mut self, mm: Mm, vpn: u64) -> bool {
        self.unhook_table(mm, vpn)
    }

    fn table_span(&self, vpn: u64) -> Span {
        Span { first: vpn >> TABLE_SHIFT << TABLE_SHIFT, pages: 1 << TABLE_SHIFT }
    }

    fn next_page(&self, mm: Mm, span: Span) -> Option<Page> {
        (0..self.scenario.pages).find(|&n| span.contains(self.scenario.vpn(n))).map(|n| self.nth(mm, n))
    }

    fn vma(&self, mm: Mm, vpn: u64) -> Vma {
        self.page(mm, vpn).map_or(Vma::default(), |page| self.shared.vma.get(page.0 as usize))
    }

    fn vma_end(&self, mm: Mm, vpn: u64) -> u64 {
        self.end_of_vma(mm, vpn)
    }

    fn set_vma(&mut self, mm: Mm, span: Span, vma: Vma) {
        for n in 0..self.scenario.pages {
            if span.contains(self.scenario.vpn(n)) {
                let page = self.nth(mm, n);
                self.shared.vma.set(page.0 as usize, vma);
            }
        }
    }

    fn copy_vmas(&mut self, from: Mm, to: Mm) {
        self.inherit_vmas(from, to);
    }

    fn protect_vma(&mut self, mm: Mm, span: Span, rights: Rights) {
        for n in 0..self.scenario.pages {
            let page = self.nth(mm, n).0 as usize;
            if span.contains(self.scenario.vpn(n)) && self.shared.vma.get(page).mapped {
                self.shared.vma.at(page).rights = rights;
            }
        }
    }

    fn pte(&self, page: Page) -> Pte {
        self.shared.pte.get(page.0 as usize)
    }

    fn pte_xchg(&mut self, page: Page, new: Pte) -> Pte {
        if let Pte::Present(pte) = new {
            self.remember(page, pte.frame);
        }
        self.shared.pte.replace(page.0 as usize, new)
    }

    fn try_lock(&mut self, who: Actor, lock: Lock) -> bool {
        self.take(who, lock)
    }

    fn unlock(&mut self, who: Actor, lock: Lock) {
        self.release(who, lock);
    }

    fn words(&mut self, mm: Mm) -> &mut Words {
        self.shared.words.at(usize::from(mm.0))
    }

    fn mask_any_but(&self, mm: Mm, cpu: Cpu) -> bool {
        self.shared.mask.get(usize::from(mm.0)).any_but(cpu)
    }

    fn mask_clear(&mut self, mm: Mm, cpu: Cpu) {
        self.shared.mask.at(usize::from(mm.0)).remove(cpu);
    }

    fn batch(&mut self, task: Task) -> &mut Batch {
        &mut self.task(task).batch
    }

    fn batch_add_mask(&mut self, task: Task, mm: Mm) {
        let mask = self.shared.mask.get(usize::from(mm.0));
        self.task(task).batch_mask.insert_all(&mask);
    }

    fn batch_contains(&self, task: Task, cpu: Cpu) -> bool {
        self.cpus[usize::from(task.0)].batch_mask.contains(cpu)
    }

    fn batch_clear(&mut self, task: Task) {
        let state = self.task(task);
        state.batch = Batch::default();
        state.batch_mask = CpuSet::EMPTY;
    }

    fn flush_pending(&mut self, mm: Mm) -> &mut u32 {
        self.shared.flush_pending.at(usize::from(mm.0))
    }

    fn flags(&mut self) -> &mut u8 {
        self.shared.flags.at(0)
    }

    fn gather(&mut self, task: Task) -> &mut Gather {
        &mut self.task(task).gather
    }

    fn request_begin(&mut self, who: Actor, request: Request) -> bool {
        let mask = match request.mm {
            Some(mm) => self.shared.mask.get(usize::from(mm.0)),
            None => self.cpus[usize::from(who.task.0)].batch_mask,
        };
        let state = self.cpu(who.cpu);
        assert!(state.waiting.is_empty(), "a CPU has one shootdown under way at a time");
        state.targets = mask;
        state.targets.remove(who.cpu);
        state.request = Some(request);
        !state.targets.is_empty()
    }

    fn request(&self, cpu: Cpu) -> Request {
        self.cpus[usize::from(cpu.0)].request.expect("a shootdown is under way")
    }

    fn request_end(&mut self, cpu: Cpu) {
        let state = self.cpu(cpu);
        state.request = None;
        state.targets = CpuSet::EMPTY;
    }

    fn next_target(&self, cpu: Cpu, from: u16) -> Option<Cpu> {
        self.cpus[usize::from(cpu.0)].targets.next_from(from)
    }

    fn post(&mut self, from: Cpu, to: Cpu) -> bool {
        self.cpu(from).waiting.insert(to);
        let target = self.cpu(to);
        let empty = target.queued.is_empty();
        target.queued.insert(from);
        empty
    }

    fn interrupt_pending(&self, cpu: Cpu) -> bool {
        !self.cpus[usize::from(cpu.0)].queued.is_empty()
    }

    fn drain(&mut self, cpu: Cpu) -> u16 {
        let state = self.cpu(cpu);
        assert!(state.serving.is_empty(), "interrupts do not nest");
        state.serving = std::mem::take(&mut state.queued);
        state.serving.len() as u16
    }

    fn in_service(&self, cpu: Cpu) -> Option<Cpu> {
        self.cpus[usize::from(cpu.0)].serving.next_from(0)
    }

    fn ack(&mut self, cpu: Cpu, initiator: Cpu) {
        let waiting = &mut self.cpu(initiator).waiting;
        assert!(waiting.contains(cpu), "nobody acks twice");
        waiting.remove(cpu);
    }

    fn served(&mut self, cpu: Cpu, initiator: Cpu) {
        self.cpu(cpu).serving.remove(initiator);
    }

    fn acks_outstanding(&self, cpu: Cpu) -> bool {
        !self.cpus[usize::from(cpu.0)].waiting.is_empty()
    }

    fn broadcast(&mut self, from: Cpu, mm: Option<Mm>, span: Span) {
        self.issue(from, CpuSet::from_words([u64::MAX]), self.pages_in(mm, span));
    }

    fn broadcast_pending(&self, from: Cpu) -> bool {
        self.cpus[usize::from(from.0)].issued.iter().any(|&pages| pages != 0)
    }

    fn deliver(&mut self, from: Cpu, to: Cpu, gone: &mut dyn FnMut(Page, Entry)) -> bool {
        self.deliver_to(from, to, gone)
    }

    fn record(&mut self, from: Cpu, mm: Mm, span: Span) {
        self.issue(from, self.shared.mask.get(usize::from(mm.0)), self.pages_in(Some(mm), span));
    }

    fn may_record(&self, _cpu: Cpu) -> bool {
        // No exploration comes near what a ring holds.
        true
    }

    fn recorded(&self, mm: Mm, span: Span) -> bool {
        self.is_pending(self.pages_in(Some(mm), span))
    }

    fn hold_back(&mut self, who: Actor) {
        let frames = std::mem::take(&mut self.task(who.task).freeing);
        self.cpu(who.cpu).held |= frames;
    }

    fn may_let_go(&self, cpu: Cpu) -> bool {
        self.cpus[usize::from(cpu.0)].held != 0 && !self.broadcast_pending(cpu)
    }

    fn next_held(&mut self, cpu: Cpu) -> Option<FrameNo> {
        take_lowest(&mut self.cpu(cpu).held)
    }

    fn tlb_lookup(&mut self, cpu: Cpu, page: Page, _kind: AccessKind) -> Option<(Entry, TlbLevel)> {
        self.tlb_peek(cpu, page).map(|entry| (entry, TlbLevel::L1))
    }

    fn tlb_peek(&self, cpu: Cpu, page: Page) -> Option<Entry> {
        self.cpus[usize::from(cpu.0)].tlb[page.0 as usize]
    }

    fn tlb_fill(&mut self, cpu: Cpu, page: Page, _kind: AccessKind, entry: Entry, _gone: &mut dyn FnMut(Page, Entry)) {
        self.cpu(cpu).tlb[page.0 as usize] = Some(entry);
    }

    fn tlb_update(&mut self, cpu: Cpu, page: Page, entry: Entry) {
        self.cpu(cpu).tlb[page.0 as usize] = Some(entry);
    }

    fn tlb_forget(&mut self, cpu: Cpu, page: Page) -> Option<Entry> {
        self.cpu(cpu).tlb[page.0 as usize].take()
    }

    fn tlb_drop(&mut self, cpu: Cpu, what: (Mm, Span), gone: &mut dyn FnMut(Page, Entry)) {
        for n in 0..self.scenario.pages {
            let page = self.nth(what.0, n);
            if what.1.contains(self.scenario.vpn(n))
                && let Some(entry) = self.cpu(cpu).tlb[page.0 as usize].take()
            {
                gone(page, entry);
            }
        }
    }

    fn next_holder(&self, page: Page, from: u16) -> Option<Cpu> {
        (from..self.scenario.programs.len() as u16)
            .map(Cpu)
            .filter(|&cpu| self.scenario.home(cpu).is_some())
            .find(|&cpu| self.tlb_peek(cpu, page).is_some())
    }

    fn next_page_of(&self, frame: FrameNo, from: u32) -> Option<Page> {
        let holds = |&page: &Page| {
            let mut holders = std::iter::successors(self.next_holder(page, 0), |cpu| self.next_holder(page, cpu.0 + 1));
            holders.any(|cpu| self.tlb_peek(cpu, page).is_some_and(|entry| entry.frame == frame.0))
        };
        (from..u32::from(self.scenario.all_pages())).map(Page).find(holds)
    }

    fn promise(&self, page: Page) -> Promise {
        self.shared.promise.get(page.0 as usize)
    }

    fn set_promise(&mut self, page: Page, promise: Promise) {
        self.shared.promise.set(page.0 as usize, promise);
    }

    fn emptier(&self, page: Page) -> Option<Task> {
        self.shared.emptier.get(page.0 as usize)
    }

    fn set_emptier(&mut self, page: Page, task: Option<Task>) {
        self.shared.emptier.set(page.0 as usize, task);
    }

    fn lockless(&self, task: Task) -> Option<Lockless> {
        self.cpus[usize::from(task.0)].lockless
    }

    fn set_lockless(&mut self, task: Task, walked: Option<Lockless>) {
        self.task(task).lockless = walked;
    }

    fn next_lockless(&self, frame: FrameNo, from: u16) -> Option<Task> {
        let read = |task: &Task| self.lockless(*task).is_some_and(|walked| walked.frame == frame);
        (from..self.scenario.programs.len() as u16).map(Task).find(read)
    }

    fn ghost(&self, page: Page) -> u8 {
        self.shared.ghost.get(page.0 as usize)
    }

    fn set_ghost(&mut self, page: Page, bits: u8) {
        self.shared.ghost.set(page.0 as usize, bits);
    }

    fn isolate(&mut self, task: Task, page: Page, frame: FrameNo) {
        self.task(task).victims.push(page, frame);
    }

    fn next_victim(&mut self, task: Task) -> Option<(Page, FrameNo)> {
        self.task(task).victims.pop()
    }

    fn keep(&mut self, task: Task, frame: FrameNo) {
        self.task(task).kept |= 1 << frame.0;
    }

    fn next_kept(&mut self, task: Task) -> Option<FrameNo> {
        take_lowest(&mut self.task(task).kept)
    }

    fn lru_tail(&self, list: Lru) -> Option<FrameNo> {
        self.shared.lru.get(0).iter().map(|(_, frame)| frame).find(|&frame| self.folio(frame).list() == Some(list))
    }

    fn lru_len(&self, list: Lru) -> u32 {
        self.shared.lru.get(0).iter().filter(|&(_, frame)| self.folio(frame).list() == Some(list)).count() as u32
    }

    fn rmap(&self, frame: FrameNo) -> Option<Page> {
        let last = || Page(u32::from(self.shared.last_page.get(frame.0 as usize)));
        self.next_mapping(frame, 0).or_else(|| Some(last()))
    }

    fn memory(&self) -> Option<Memory> {
        None
    }

    fn wake_kswapd(&mut self) -> bool {
        false
    }

    fn kswapd_sleeps(&mut self) {}

    fn zero_frame(&self) -> Option<FrameNo> {
        None
    }

    fn io_queue(&self) -> Option<IoQueue> {
        None
    }

    fn io_begin(&mut self, _frame: FrameNo) {
        unreachable!("no device has a queue in the small world");
    }

    fn io_complete(&mut self) -> FrameNo {
        unreachable!("no device has a queue in the small world");
    }

    fn memory_left(&self) -> bool {
        (0..self.scenario.frames()).any(|n| !self.shared.folio.get(n).allocated)
    }

    fn alloc_frame(&mut self) -> Option<FrameNo> {
        let n = (0..self.scenario.frames()).find(|&n| !self.shared.folio.get(n).allocated)?;
        self.shared.folio.set(n, Folio { allocated: true, ..Folio::default() });
        Some(FrameNo(n as u32))
    }

    fn folio(&self, frame: FrameNo) -> Folio {
        self.shared.folio.get(frame.0 as usize)
    }

    fn set_folio(&mut self, frame: FrameNo, folio: Folio) {
        let shared = &mut self.shared;
        if self.scenario.lru && shared.folio.get(frame.0 as usize).list() != folio.list() {
            let lru = shared.lru.at(0);
            lru.remove(frame);
            if folio.list().is_some() {
                lru.push(Page(0), frame);
            }
        }
        shared.folio.set(frame.0 as usize, folio);
    }

    fn cached_frame(&self, page: Page) -> Option<FrameNo> {
        self.shared.cached_frame.get(page.0 as usize)
    }

    fn uncache(&mut self, frame: FrameNo) {
        let cached = &mut self.shared.cached_frame;
        for n in 0..usize::from(self.scenario.all_pages()) {
            if cached.get(n) == Some(frame) {
                cached.set(n, None);
            }
        }
    }

    fn next_mapping(&self, frame: FrameNo, from: u32) -> Option<Page> {
        let maps = |n: &u32| {
            let (pte, rmap_kept) = (&self.shared.pte, &self.shared.rmap_kept);
            rmap_kept.get(*n as usize) == Some(frame)
                || pte.get(*n as usize).present().is_some_and(|pte| pte.frame == frame)
        };
        (from..u32::from(self.scenario.all_pages())).find(maps).map(Page)
    }

    fn keep_rmap(&mut self, page: Page, frame: Option<FrameNo>) {
        self.shared.rmap_kept.set(page.0 as usize, frame);
    }

    fn next_cached(&self, frame: FrameNo, from: u32) -> Option<Page> {
        let finds = |n: &u32| self.shared.cached_frame.get(*n as usize) == Some(frame);
        (from..u32::from(self.scenario.all_pages())).find(finds).map(Page)
    }

    fn set_cached_frame(&mut self, page: Page, frame: Option<FrameNo>) {
        if let Some(frame) = frame {
            self.remember(page, frame);
        }
        self.shared.cached_frame.set(page.0 as usize, frame);
    }

    fn free_later(&mut self, task: Task, frame: FrameNo) -> u16 {
        let freeing = &mut self.task(task).freeing;
        *freeing |= 1 << frame.0;
        freeing.count_ones() as u16
    }

    fn frees_later(&self, task: Task, frame: FrameNo) -> bool {
        self.cpus[usize::from(task.0)].freeing & 1 << frame.0 != 0
    }

    fn next_to_free(&mut self, task: Task) -> Option<FrameNo> {
        take_lowest(&mut self.task(task).freeing)
    }

    fn free_frame(&mut self, frame: FrameNo) {
        self.set_folio(frame, Folio::default());
    }
}
