//! The primitives of the big world.

use super::{
    AccessKind, Actor, Batch, Big, Cpu, Cpus, Entry, Folio, FrameNo, FrameState, Gather, IoQueue, Lock, Lockless, Lru,
    Memory, Mm, Op, Page, Promise, Pte, Request, Reverse, Rights, Span, TABLE_SHIFT, Table, Task, TlbLevel, Vma, Words,
    World, memory, tables, usable,
};

impl World for Big {
    fn op(&self, task: Task) -> Op {
        self.tasks[usize::from(task.0)].op.expect("a task that steps has an operation")
    }

    fn mm(&self, task: Task) -> Option<Mm> {
        self.task_mms[usize::from(task.0)]
    }

    fn loaded(&self, cpu: Cpu) -> Option<Mm> {
        self.cpus[usize::from(cpu.0)].loaded
    }

    fn lazy(&self, cpu: Cpu) -> bool {
        self.cpus[usize::from(cpu.0)].lazy
    }

    fn leave_lazy(&mut self, cpu: Cpu) {
        let state = &mut self.cpus[usize::from(cpu.0)];
        assert!(state.lazy, "only a lazy CPU has something to give up");
        (state.loaded, state.lazy) = (None, false);
    }

    fn usable(&self, cpu: Cpu, page: Page) -> bool {
        usable(&self.cpus[usize::from(cpu.0)], &self.mms, self.pages[page.0 as usize].mm)
    }

    fn page(&self, mm: Mm, vpn: u64) -> Option<Page> {
        tables::page_at(&self.mms, &self.slots, mm, vpn)
    }

    fn populate(&mut self, mm: Mm, vpn: u64) -> Page {
        self.touch_page(mm, vpn)
    }

    fn mm_of(&self, page: Page) -> Mm {
        self.pages[page.0 as usize].mm
    }

    fn vpn(&self, page: Page) -> u64 {
        self.pages[page.0 as usize].vpn
    }

    fn table_of(&self, page: Page) -> Table {
        self.pages[page.0 as usize].table
    }

    fn table_at(&self, mm: Mm, vpn: u64) -> Option<Table> {
        self.any_table(mm, vpn).filter(|table| !self.tables[table.0 as usize].freed)
    }

    fn next_table(&self, mm: Mm, span: Span) -> Option<u64> {
        self.table_after(mm, span)
    }

    fn free_table(&mut self, mm: Mm, vpn: u64) -> bool {
        self.give_table_back(mm, vpn)
    }

    fn table_span(&self, vpn: u64) -> Span {
        Span { first: vpn >> TABLE_SHIFT << TABLE_SHIFT, pages: 1 << TABLE_SHIFT }
    }

    fn next_page(&self, mm: Mm, span: Span) -> Option<Page> {
        // The first page at once: walks ask page by page, and most have been touched.
        let first = if span.pages > 0 { self.page(mm, span.first) } else { None };
        first.or_else(|| self.page_after(mm, span))
    }

    fn vma(&self, mm: Mm, vpn: u64) -> Vma {
        self.mms[usize::from(mm.0)].vmas.at(vpn)
    }

    fn vma_end(&self, mm: Mm, vpn: u64) -> u64 {
        self.mms[usize::from(mm.0)].vmas.end_at(vpn)
    }

    fn set_vma(&mut self, mm: Mm, span: Span, vma: Vma) {
        self.mms[usize::from(mm.0)].vmas.set(span, vma);
    }

    fn copy_vmas(&mut self, from: Mm, to: Mm) {
        self.inherit_vmas(from, to);
    }

    fn protect_vma(&mut self, mm: Mm, span: Span, rights: Rights) {
        self.mms[usize::from(mm.0)].vmas.protect(span, rights);
    }

    fn pte(&self, page: Page) -> Pte {
        self.pages[page.0 as usize].pte
    }

    fn pte_xchg(&mut self, page: Page, new: Pte) -> Pte {
        self.exchange_pte(page, new)
    }

    fn try_lock(&mut self, who: Actor, lock: Lock) -> bool {
        self.take_lock(who, lock)
    }

    fn unlock(&mut self, who: Actor, lock: Lock) {
        self.release_lock(who, lock);
    }

    fn words(&mut self, mm: Mm) -> &mut Words {
        &mut self.mms[usize::from(mm.0)].words
    }

    fn mask_any_but(&self, mm: Mm, cpu: Cpu) -> bool {
        self.mms[usize::from(mm.0)].mask.any_but(cpu)
    }

    fn mask_clear(&mut self, mm: Mm, cpu: Cpu) {
        self.mms[usize::from(mm.0)].mask.remove(cpu);
    }

    fn batch(&mut self, task: Task) -> &mut Batch {
        &mut self.tasks[usize::from(task.0)].batch
    }

    fn batch_add_mask(&mut self, task: Task, mm: Mm) {
        let state = &mut self.mms[usize::from(mm.0)];
        state.tlb_gen += 1;
        self.tasks[usize::from(task.0)].batch_mask.insert_all(&state.mask);
    }

    fn batch_contains(&self, task: Task, cpu: Cpu) -> bool {
        self.tasks[usize::from(task.0)].batch_mask.contains(cpu)
    }

    fn batch_clear(&mut self, task: Task) {
        let state = &mut self.tasks[usize::from(task.0)];
        state.batch = Batch::default();
        state.batch_mask = Cpus::EMPTY;
    }

    fn flush_pending(&mut self, mm: Mm) -> &mut u32 {
        &mut self.mms[usize::from(mm.0)].flush_pending
    }

    fn flags(&mut self) -> &mut u8 {
        &mut self.flags
    }

    fn gather(&mut self, task: Task) -> &mut Gather {
        &mut self.tasks[usize::from(task.0)].gather
    }

    fn request_begin(&mut self, who: Actor, request: Request) -> bool {
        let (mut targets, request_gen) = match request.mm {
            Some(mm) => {
                let state = &mut self.mms[usize::from(mm.0)];
                state.tlb_gen += u64::from(!request.catch_up);
                (state.mask, Some(state.tlb_gen))
            }
            None => (self.tasks[usize::from(who.task.0)].batch_mask, None),
        };
        targets.remove(who.cpu);
        let cpu = &mut self.cpus[usize::from(who.cpu.0)];
        cpu.request_gen = request_gen;
        assert!(cpu.waiting.is_empty(), "a CPU has one shootdown under way at a time");
        cpu.targets = targets;
        cpu.request = Some(request);
        !targets.is_empty()
    }

    fn request(&self, cpu: Cpu) -> Request {
        self.cpus[usize::from(cpu.0)].request.expect("a shootdown is under way")
    }

    fn request_end(&mut self, cpu: Cpu) {
        let state = &mut self.cpus[usize::from(cpu.0)];
        state.request = None;
        state.targets = Cpus::EMPTY;
    }

    fn next_target(&self, cpu: Cpu, from: u16) -> Option<Cpu> {
        self.cpus[usize::from(cpu.0)].targets.next_from(from)
    }

    fn post(&mut self, from: Cpu, to: Cpu) -> bool {
        self.cpus[usize::from(from.0)].waiting.insert(to);
        let queue = &mut self.cpus[usize::from(to.0)].queued;
        queue.push_back(from);
        queue.len() == 1
    }

    fn interrupt_pending(&self, cpu: Cpu) -> bool {
        !self.cpus[usize::from(cpu.0)].queued.is_empty()
    }

    fn drain(&mut self, cpu: Cpu) -> u16 {
        let state = &mut self.cpus[usize::from(cpu.0)];
        assert!(state.serving.is_empty(), "interrupts do not nest");
        // Each keeps the room that it has had.
        std::mem::swap(&mut state.serving, &mut state.queued);
        // Lowest initiator first, the order both worlds agree on.
        state.serving.make_contiguous().sort_unstable();
        state.serving.len() as u16
    }

    fn in_service(&self, cpu: Cpu) -> Option<Cpu> {
        self.cpus[usize::from(cpu.0)].serving.front().copied()
    }

    fn ack(&mut self, cpu: Cpu, initiator: Cpu) {
        let waiting = &mut self.cpus[usize::from(initiator.0)].waiting;
        assert!(waiting.contains(cpu), "nobody acks twice");
        waiting.remove(cpu);
    }

    fn served(&mut self, cpu: Cpu, initiator: Cpu) {
        let served = self.cpus[usize::from(cpu.0)].serving.pop_front();
        assert_eq!(served, Some(initiator));
    }

    fn acks_outstanding(&self, cpu: Cpu) -> bool {
        !self.cpus[usize::from(cpu.0)].waiting.is_empty()
    }

    fn broadcast(&mut self, from: Cpu, mm: Option<Mm>, span: Span) {
        let others = (0..self.cpus.len() as u16).map(Cpu).filter(|&cpu| cpu != from);
        self.cpus[usize::from(from.0)].issued.extend(others.map(|cpu| (cpu, mm, span)));
    }

    fn broadcast_pending(&self, from: Cpu) -> bool {
        let state = &self.cpus[usize::from(from.0)];
        !state.issued.is_empty() || !state.records.active.is_empty()
    }

    fn record(&mut self, from: Cpu, mm: Mm, span: Span) {
        self.leave_to_others(from, mm, span);
    }

    fn may_record(&self, cpu: Cpu) -> bool {
        self.cpus[usize::from(cpu.0)].records.has_room()
    }

    fn recorded(&self, mm: Mm, span: Span) -> bool {
        let about = |of: Option<Mm>, pages: Span| of.is_none_or(|of| of == mm) && pages.clip(span).pages > 0;
        self.cpus.iter().any(|cpu| {
            let left = cpu.records.active.iter().any(|record| about(Some(record.mm), record.span));
            left || cpu.issued.iter().any(|&(_, of, pages)| about(of, pages))
        })
    }

    fn hold_back(&mut self, who: Actor) {
        let frames = &mut self.tasks[usize::from(who.task.0)].freeing;
        self.cpus[usize::from(who.cpu.0)].held.append(frames);
    }

    fn may_let_go(&self, cpu: Cpu) -> bool {
        !self.cpus[usize::from(cpu.0)].held.is_empty() && !self.broadcast_pending(cpu)
    }

    fn next_held(&mut self, cpu: Cpu) -> Option<FrameNo> {
        self.cpus[usize::from(cpu.0)].held.pop().map(|Reverse(frame)| FrameNo(frame))
    }

    fn deliver(&mut self, from: Cpu, to: Cpu, gone: &mut dyn FnMut(Page, Entry)) -> bool {
        self.deliver_to(from, to, gone)
    }

    fn tlb_lookup(&mut self, cpu: Cpu, page: Page, kind: AccessKind) -> Option<(Entry, TlbLevel)> {
        self.look_up(cpu, page, kind)
    }

    fn tlb_peek(&self, cpu: Cpu, page: Page) -> Option<Entry> {
        self.cpus[usize::from(cpu.0)].mmu.peek(self.key(page))
    }

    fn tlb_fill(&mut self, cpu: Cpu, page: Page, kind: AccessKind, entry: Entry, gone: &mut dyn FnMut(Page, Entry)) {
        self.fill_tlb(cpu, page, kind, entry, gone);
    }

    fn tlb_update(&mut self, cpu: Cpu, page: Page, entry: Entry) {
        let key = self.key(page);
        let held = self.cpus[usize::from(cpu.0)].mmu.update(key, |_| entry);
        assert!(held, "only a held translation is updated");
    }

    fn tlb_forget(&mut self, cpu: Cpu, page: Page) -> Option<Entry> {
        let key = self.key(page);
        self.forget_holder(cpu, page);
        self.cpus[usize::from(cpu.0)].mmu.forget(key)
    }

    fn tlb_drop(&mut self, cpu: Cpu, what: (Mm, Span), gone: &mut dyn FnMut(Page, Entry)) {
        self.drop_translations(cpu, what, gone);
    }

    fn next_holder(&self, page: Page, from: u16) -> Option<Cpu> {
        self.holders.next_from(page.0, from)
    }

    fn next_page_of(&self, frame: FrameNo, from: u32) -> Option<Page> {
        self.frames[frame.0 as usize].filled.next(from)
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

    fn lockless(&self, task: Task) -> Option<Lockless> {
        self.lockless.get(&task.0).copied()
    }

    fn set_lockless(&mut self, task: Task, walked: Option<Lockless>) {
        match walked {
            Some(walked) => _ = self.lockless.insert(task.0, walked),
            None => _ = self.lockless.remove(&task.0),
        }
    }

    fn next_lockless(&self, frame: FrameNo, from: u16) -> Option<Task> {
        self.lockless.range(from..).find(|(_, walked)| walked.frame == frame).map(|(&task, _)| Task(task))
    }

    fn ghost(&self, page: Page) -> u8 {
        self.pages[page.0 as usize].ghost
    }

    fn set_ghost(&mut self, page: Page, bits: u8) {
        self.pages[page.0 as usize].ghost = bits;
    }

    fn isolate(&mut self, task: Task, page: Page, frame: FrameNo) {
        self.tasks[usize::from(task.0)].victims.push_back((page, frame));
    }

    fn next_victim(&mut self, task: Task) -> Option<(Page, FrameNo)> {
        self.tasks[usize::from(task.0)].victims.pop_front()
    }

    fn keep(&mut self, task: Task, frame: FrameNo) {
        self.tasks[usize::from(task.0)].kept.insert(frame);
    }

    fn next_kept(&mut self, task: Task) -> Option<FrameNo> {
        self.tasks[usize::from(task.0)].kept.pop_first()
    }

    fn lru_tail(&self, list: Lru) -> Option<FrameNo> {
        self.lru.as_ref()?.tail(list)
    }

    fn lru_len(&self, list: Lru) -> u32 {
        self.lru.as_ref().map_or(0, |lists| lists.len(list))
    }

    fn rmap(&self, frame: FrameNo) -> Option<Page> {
        self.next_mapping(frame, 0).or(self.frames[frame.0 as usize].last_page)
    }

    fn memory(&self) -> Option<Memory> {
        self.zone.as_ref().map(|zone| zone.memory(self.free_frames()))
    }

    fn wake_kswapd(&mut self) -> bool {
        self.zone.as_mut().is_some_and(memory::Zone::wake)
    }

    fn kswapd_sleeps(&mut self) {
        if let Some(zone) = &mut self.zone {
            zone.sleep();
        }
    }

    fn zero_frame(&self) -> Option<FrameNo> {
        self.zone.as_ref().map(|_| memory::ZERO)
    }

    fn io_queue(&self) -> Option<IoQueue> {
        self.device.as_ref().map(memory::Device::queue)
    }

    fn io_begin(&mut self, frame: FrameNo) {
        self.device.as_mut().expect("there is a device").begin(frame);
    }

    fn io_complete(&mut self) -> FrameNo {
        self.complete_oldest()
    }

    fn memory_left(&self) -> bool {
        self.free_frames() > 0
    }

    fn alloc_frame(&mut self) -> Option<FrameNo> {
        let frame = match self.free.pop_first() {
            Some(frame) => frame,
            None if self.folios.len() < self.frames_limit as usize => {
                self.folios.push(Folio::default());
                self.frames.push(FrameState::default());
                self.folios.len() as u32 - 1
            }
            None => return None,
        };
        self.prune_filled(frame);
        self.frames[frame as usize].last_page = None;
        self.folios[frame as usize] = Folio { allocated: true, ..Folio::default() };
        Some(FrameNo(frame))
    }

    fn folio(&self, frame: FrameNo) -> Folio {
        self.folios[frame.0 as usize]
    }

    fn set_folio(&mut self, frame: FrameNo, folio: Folio) {
        let old = std::mem::replace(&mut self.folios[frame.0 as usize], folio);
        if let Some(lists) = &mut self.lru
            && old.list() != folio.list()
        {
            lists.put(frame, folio.list());
        }
    }

    fn cached_frame(&self, page: Page) -> Option<FrameNo> {
        self.pages[page.0 as usize].cached_frame
    }

    fn uncache(&mut self, frame: FrameNo) {
        for &page in std::mem::take(&mut self.frames[frame.0 as usize].cached_by).pages() {
            self.pages[page as usize].cached_frame = None;
        }
    }

    fn next_mapping(&self, frame: FrameNo, from: u32) -> Option<Page> {
        self.frames[frame.0 as usize].mapped_by.next(from)
    }

    fn keep_rmap(&mut self, page: Page, frame: Option<FrameNo>) {
        self.hold_rmap(page, frame);
    }

    fn next_cached(&self, frame: FrameNo, from: u32) -> Option<Page> {
        self.frames[frame.0 as usize].cached_by.next(from)
    }

    fn set_cached_frame(&mut self, page: Page, frame: Option<FrameNo>) {
        self.cache_frame(page, frame);
    }

    fn free_later(&mut self, task: Task, frame: FrameNo) -> u16 {
        let freeing = &mut self.tasks[usize::from(task.0)].freeing;
        freeing.push(Reverse(frame.0));
        freeing.len() as u16
    }

    fn frees_later(&self, task: Task, frame: FrameNo) -> bool {
        self.tasks[usize::from(task.0)].freeing.iter().any(|&Reverse(waiting)| waiting == frame.0)
    }

    fn next_to_free(&mut self, task: Task) -> Option<FrameNo> {
        let Reverse(frame) = self.tasks[usize::from(task.0)].freeing.pop()?;
        Some(FrameNo(frame))
    }

    fn free_frame(&mut self, frame: FrameNo) {
        self.set_folio(frame, Folio::default());
        self.free.insert(frame.0);
    }
}
