//! The primitives of the small world.

use super::{
    AccessKind, Actor, Batch, Cpu, CpuSet, Entry, Folio, FrameNo, Gather, IoQueue, Lock, Lru, Memory, Mm, Op, Page,
    Promise, Pte, Request, Rights, Small, Span, TABLE_SHIFT, Table, Task, TlbLevel, Vma, Words, World,
};

impl World for Small<'_> {
    fn op(&self, task: Task) -> Op {
        self.program_op(Cpu(task.0)).expect("a task that steps has an operation")
    }

    fn mm(&self, task: Task) -> Option<Mm> {
        self.loaded(Cpu(task.0))
    }

    fn loaded(&self, cpu: Cpu) -> Option<Mm> {
        (!self.scenario.kernel_threads.contains(&cpu)).then_some(Mm(0))
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

    fn page(&self, _mm: Mm, vpn: u64) -> Option<Page> {
        (0..self.scenario.pages).find(|&n| self.scenario.vpn(n) == vpn).map(|n| Page(u32::from(n)))
    }

    fn populate(&mut self, mm: Mm, vpn: u64) -> Page {
        self.page(mm, vpn).expect("a scenario names only its own pages")
    }

    fn mm_of(&self, _page: Page) -> Mm {
        Mm(0)
    }

    fn vpn(&self, page: Page) -> u64 {
        self.scenario.vpn(page.0 as u8)
    }

    fn table_of(&self, page: Page) -> Table {
        Table(page.0 / u32::from(self.scenario.pages_per_table))
    }

    fn table_at(&self, mm: Mm, vpn: u64) -> Option<Table> {
        self.next_page(mm, self.table_span(vpn)).map(|page| self.table_of(page))
    }

    fn table_span(&self, vpn: u64) -> Span {
        Span { first: vpn >> TABLE_SHIFT << TABLE_SHIFT, pages: 1 << TABLE_SHIFT }
    }

    fn next_page(&self, _mm: Mm, span: Span) -> Option<Page> {
        (0..self.scenario.pages).find(|&n| span.contains(self.scenario.vpn(n))).map(|n| Page(u32::from(n)))
    }

    fn vma(&self, _mm: Mm, vpn: u64) -> Vma {
        self.page(Mm(0), vpn).map_or(Vma::default(), |page| self.pages[page.0 as usize].vma)
    }

    fn set_vma(&mut self, _mm: Mm, span: Span, vma: Vma) {
        for n in 0..self.scenario.pages {
            if span.contains(self.scenario.vpn(n)) {
                self.pages[usize::from(n)].vma = vma;
            }
        }
    }

    fn protect_vma(&mut self, _mm: Mm, span: Span, rights: Rights) {
        for n in 0..self.scenario.pages {
            let vma = &mut self.pages[usize::from(n)].vma;
            if span.contains(self.scenario.vpn(n)) && vma.mapped {
                vma.rights = rights;
            }
        }
    }

    fn pte(&self, page: Page) -> Pte {
        self.pages[page.0 as usize].pte
    }

    fn pte_xchg(&mut self, page: Page, new: Pte) -> Pte {
        if let Pte::Present(pte) = new {
            self.remember(page, pte.frame);
        }
        std::mem::replace(&mut self.pages[page.0 as usize].pte, new)
    }

    fn try_lock(&mut self, who: Actor, lock: Lock) -> bool {
        match lock {
            Lock::MmapRead(_) => {
                if self.mmap_writer.is_some() {
                    return false;
                }
                self.mmap_readers.insert(who.cpu);
            }
            Lock::MmapWrite(_) => {
                if self.mmap_writer.is_some() || !self.mmap_readers.is_empty() {
                    return false;
                }
                self.mmap_writer = Some(who.cpu);
            }
            Lock::Ptl(table) => {
                let owner = &mut self.ptl[table.0 as usize];
                if owner.is_some() {
                    return false;
                }
                *owner = Some(who.cpu);
            }
        }
        true
    }

    fn unlock(&mut self, who: Actor, lock: Lock) {
        match lock {
            Lock::MmapRead(_) => {
                assert!(self.mmap_readers.contains(who.cpu));
                self.mmap_readers.remove(who.cpu);
            }
            Lock::MmapWrite(_) => assert_eq!(self.mmap_writer.take(), Some(who.cpu)),
            Lock::Ptl(table) => assert_eq!(self.ptl[table.0 as usize].take(), Some(who.cpu)),
        }
    }

    fn words(&mut self, _mm: Mm) -> &mut Words {
        &mut self.words
    }

    fn mask_any_but(&self, _mm: Mm, cpu: Cpu) -> bool {
        self.mask.any_but(cpu)
    }

    fn mask_contains(&self, _mm: Mm, cpu: Cpu) -> bool {
        self.mask.contains(cpu)
    }

    fn mask_clear(&mut self, _mm: Mm, cpu: Cpu) {
        self.mask.remove(cpu);
    }

    fn batch(&mut self, task: Task) -> &mut Batch {
        &mut self.task(task).batch
    }

    fn batch_add_mask(&mut self, task: Task, _mm: Mm) {
        let mask = self.mask;
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

    fn flush_pending(&mut self, _mm: Mm) -> &mut u32 {
        &mut self.flush_pending
    }

    fn gather(&mut self, task: Task) -> &mut Gather {
        &mut self.task(task).gather
    }

    fn request_begin(&mut self, who: Actor, request: Request) -> bool {
        let mask = self.mask;
        let state = self.cpu(who.cpu);
        assert!(state.waiting.is_empty(), "a CPU has one shootdown under way at a time");
        state.targets = if request.mm.is_some() { mask } else { state.batch_mask };
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
        self.cpu(cpu).serving.remove(initiator);
        let waiting = &mut self.cpu(initiator).waiting;
        assert!(waiting.contains(cpu), "nobody acks twice");
        waiting.remove(cpu);
    }

    fn acks_outstanding(&self, cpu: Cpu) -> bool {
        !self.cpus[usize::from(cpu.0)].waiting.is_empty()
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
            if what.1.contains(self.scenario.vpn(n))
                && let Some(entry) = self.cpu(cpu).tlb[usize::from(n)].take()
            {
                gone(Page(u32::from(n)), entry);
            }
        }
    }

    fn next_holder(&self, page: Page, from: u16) -> Option<Cpu> {
        (usize::from(from)..self.scenario.programs.len())
            .find(|&n| self.cpus[n].tlb[page.0 as usize].is_some())
            .map(|n| Cpu(n as u16))
    }

    fn next_page_of(&self, frame: FrameNo, from: u32) -> Option<Page> {
        let cpus = &self.cpus[..self.scenario.programs.len()];
        let held = |n: &u32| cpus.iter().any(|c| c.tlb[*n as usize].is_some_and(|e| e.frame == frame.0));
        (from..u32::from(self.scenario.pages)).find(held).map(Page)
    }

    fn promise(&self, page: Page) -> Promise {
        self.pages[page.0 as usize].promise
    }

    fn set_promise(&mut self, page: Page, promise: Promise) {
        self.pages[page.0 as usize].promise = promise;
    }

    fn emptier(&self, page: Page) -> Option<Task> {
        self.pages[page.0 as usize].emptier
    }

    fn set_emptier(&mut self, page: Page, task: Option<Task>) {
        self.pages[page.0 as usize].emptier = task;
    }

    fn ghost(&self, page: Page) -> u8 {
        self.pages[page.0 as usize].ghost
    }

    fn set_ghost(&mut self, page: Page, bits: u8) {
        self.pages[page.0 as usize].ghost = bits;
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
        self.lru.iter().map(|(_, frame)| frame).find(|&frame| self.folio(frame).list() == Some(list))
    }

    fn lru_len(&self, list: Lru) -> u32 {
        self.lru.iter().filter(|&(_, frame)| self.folio(frame).list() == Some(list)).count() as u32
    }

    fn rmap(&self, frame: FrameNo) -> Option<Page> {
        Some(Page(u32::from(self.mapped_by[frame.0 as usize])))
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
        let frames = usize::from(self.scenario.pages) * 2;
        self.folios[..frames].iter().any(|f| !f.allocated)
    }

    fn alloc_frame(&mut self) -> Option<FrameNo> {
        let frames = usize::from(self.scenario.pages) * 2;
        let n = self.folios[..frames].iter().position(|f| !f.allocated)?;
        self.folios[n] = Folio { allocated: true, ..Folio::default() };
        Some(FrameNo(n as u32))
    }

    fn folio(&self, frame: FrameNo) -> Folio {
        self.folios[frame.0 as usize]
    }

    fn set_folio(&mut self, frame: FrameNo, folio: Folio) {
        let old = std::mem::replace(&mut self.folios[frame.0 as usize], folio);
        if self.scenario.lru && old.list() != folio.list() {
            self.lru.remove(frame);
            if folio.list().is_some() {
                self.lru.push(Page(0), frame);
            }
        }
    }

    fn cached_frame(&self, page: Page) -> Option<FrameNo> {
        self.pages[page.0 as usize].cached_frame
    }

    fn uncache(&mut self, frame: FrameNo) {
        for page in &mut self.pages {
            page.cached_frame = page.cached_frame.filter(|&cached| cached != frame);
        }
    }

    fn mapped(&self, frame: FrameNo) -> bool {
        self.pages.iter().any(|page| page.pte.present().is_some_and(|pte| pte.frame == frame))
    }

    fn set_cached_frame(&mut self, page: Page, frame: Option<FrameNo>) {
        if let Some(frame) = frame {
            self.remember(page, frame);
        }
        self.pages[page.0 as usize].cached_frame = frame;
    }

    fn free_later(&mut self, task: Task, frame: FrameNo) -> u16 {
        let freeing = &mut self.task(task).freeing;
        *freeing |= 1 << frame.0;
        freeing.count_ones() as u16
    }

    fn next_to_free(&mut self, task: Task) -> Option<FrameNo> {
        take_lowest(&mut self.task(task).freeing)
    }

    fn free_frame(&mut self, frame: FrameNo) {
        self.set_folio(frame, Folio::default());
    }
}

fn take_lowest(frames: &mut u8) -> Option<FrameNo> {
    let lowest = frames.trailing_zeros();
    (*frames != 0).then(|| {
        *frames &= *frames - 1;
        FrameNo(lowest)
    })
}
