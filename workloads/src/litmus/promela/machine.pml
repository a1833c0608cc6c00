/* ---- The machine: PTEs, translations, frames. Numbers in brackets are those of the steps of the kernel's paths. ---- */

/* A PTE, and a translation made of one. A PTE is empty, a swap entry, a migration entry or present. */
#define NONE    0
#define SWAP    1
#define PRESENT 2
#define W       4
#define D       8
#define A       16
#define N       32   /* PROT_NONE: present to the kernel, a fault to the hardware */
#define MOVING  64   /* a migration entry */

byte pte[PAGES];
byte pfn[PAGES];     /* the frame that a present PTE names */
byte kept[PAGES];    /* a frame + 1 that the rmap still finds here, though the PTE is gone */
byte found[PAGES];   /* a frame + 1 that the file offset or the swap entry finds in the page cache or in the swap cache */

/* What is mapped here: VMAs. */
#define ANONYMOUS 0
#define FILE      1
#define DRIVER    2
bool vm[PAGES];
bool vr[PAGES];
bool vw[PAGES];
byte vb[PAGES];

/* Frames. Those that have a reference: a PTE, a cache, reclaim's isolate reference, an operation that has not let go yet. */
#define ALLOCATED 1
#define LRU       2
#define ANON      4
#define DIRTY     8
#define CACHED    16
#define LOCKED    32
#define LAZYFREE  64
#define ISOLATED  128
byte folio[FRAMES + 1];
byte held[FRAMES + 1];   /* references of operations */
bool merged[FRAMES + 1]; /* KSM's */
#define ZERO FRAMES      /* the zero page, which nobody counts */

/* Locks and counts of an address space. */
bool writer[MMS];
byte readers[MMS];
byte unflushed[MMS];     /* tlb_flush_pending */
bool ptl[TABLES];

/* TLBs: at most one translation of a page on a CPU, with the frame in the upper half. */
byte tlb[CPUS * PAGES];
#define T(c, p) tlb[(c) * PAGES + (p)]

/* What has become of a translation since it was filled: a promise broken by its use, whatever the rights are. */
#define DATA    1    /* its content was given up */
#define LOST    2    /* the same for stores */
#define COPIED  4    /* its frame was copied, or is shared with a child: stores are lost */
#define FAULTS  8    /* stores have to fault */
#define CLEANED 16   /* its frame was marked clean: stores set no D */
#define FREED   32   /* its frame went to the allocator */
#define REUSED  64   /* which handed it out for another page */

/* Shootdowns under way: for an initiator and a target, the pages to drop. */
#define POSTED 128
byte posted[CPUS * CPUS];

byte flags;              /* of user space */
bool irqs_off[CPUS];

/* Scratch of one step. */
hidden byte f_;
hidden byte i_;
hidden byte m_;
hidden byte n_;
hidden byte w_;
hidden byte cls_;

#define HAS(p, f)    ((pte[p] & PRESENT) && pfn[p] == (f))
#define MAPS(p, f)   (HAS(p, f) || kept[p] == (f) + 1)
#define OWNED(f, p)  ((folio[f] & ANON) && !merged[f] && !SHARED(f, p))
#define ALLOWS(p, st) ((pte[p] & (PRESENT | N)) == PRESENT && (!(st) || (pte[p] & W)))

inline DROP(c, p) {
  T(c, p) = 0; mark[(c) * PAGES + (p)] = 0; passed[(c) * PAGES + (p)] = 0
}

/* Takes the lowest free frame, for a page. */
inline ALLOCATE(v, p) {
  n_ = 0;
  do
  :: (folio[n_] & ALLOCATED) -> n_++
  :: else -> break
  od;
  v = n_;
  FRAME_ALLOCATED(n_, p)
}

/* A reference has gone: with the last one the frame does. */
inline PUT(f) {
  if
  :: (folio[f] & (ANON | CACHED | LOCKED)) == (ANON | CACHED) && !FOUND(f) && !MAPPED(f) -> folio[f] = folio[f] & ~CACHED
  :: else
  fi;
  if
  :: (f) != ZERO && !held[f] && !(folio[f] & (CACHED | ISOLATED | LOCKED)) && !MAPPED(f) -> folio[f] = 0; merged[f] = 0; FRAME_FREED(f)
  :: else
  fi
}

/* ---- Shootdowns ---- */

/* [X3] [X4] [X6] Queues a request of pages at every CPU of a mask and makes the own part of it, if own. Queueing at one CPU after the
   other is one step: a target may take its interrupt as late as it likes. */
inline POST(c, mask, pages, own) {
  i_ = 0;
  do
  :: i_ < PAGES ->
     if
     :: (own) && (((mask) >> (c)) & 1) && (((pages) >> i_) & 1) -> DROP(c, i_)
     :: else
     fi;
     i_++
  :: else -> break
  od;
  n_ = CPUS;
#if !MASK_COMPLETE && !BROADCASTS
  i_ = 0;
  do
  :: i_ < CPUS ->
     if
     :: i_ != (c) && ((TARGETS(mask) >> i_) & 1) -> n_ = i_
     :: else
     fi;
     i_++
  :: else -> break
  od;
#endif
  i_ = 0;
  do
  :: i_ < CPUS ->
     if
     :: i_ != (c) && i_ != n_ && ((TARGETS(mask) >> i_) & 1) ->
#if !ACKS_AFTER_FLUSH
        request[c] = (pages);
#endif
        posted[(c) * CPUS + i_] = posted[(c) * CPUS + i_] | POSTED | (pages)
     :: else
     fi;
     i_++
  :: else -> break
  od;
#if !IRQS_ON_WHILE_WAITING
  if
  :: !QUIET(c) -> irqs_off[c] = 1
  :: else
  fi
#endif
}

/* [X6] [X7] Waits for those that have been asked. */
inline AWAIT(c) {
#if IRQS_ON_WHILE_WAITING
#if WAITS_FOR_BROADCASTS || !BROADCASTS
  QUIET(c)
#else
  skip
#endif
#else
  d_step { QUIET(c) -> irqs_off[c] = 0 }
#endif
}

inline SHOOT(c, mask, pages) {
  d_step { POST(c, mask, pages, FLUSHES_OWN_CPU) };
  AWAIT(c)
}

/* pte_accessible(), as a PTE is cleared: usable by the hardware, or maybe still cached because a flush is pending. */
#define ACCESSIBLE(bits, mm) (!((bits) & N) || (ACCESSIBLE_CHECKS_PENDING && unflushed[mm] != 0))

/* What ptep_clear_flush() does beside clearing the PTE, under the PTL. */
inline FLUSH_CLEARED(c, p, mm) {
  if
  :: usable -> SHOOT(c, MASK(mm), 1 << (p))
  :: !usable
  fi
}

/* [G1] [G7] [G9] A target drops what it is asked to and lets the initiator go on. Its own steps are suspended meanwhile, and nobody
   else can tell the one from the other, so that this is one step. For a broadcast there is no interrupt. */
inline SERVE(from, to) {
  i_ = 0;
  do
  :: i_ < PAGES ->
     if
     :: (posted[(from) * CPUS + (to)] >> i_) & 1 -> DROP(to, i_)
     :: else
     fi;
     i_++
  :: else -> break
  od;
  posted[(from) * CPUS + (to)] = 0
}

#if !ACKS_AFTER_FLUSH
/* The mutant lets the initiator go on first. By the time it flushes the initiator may have asked for something else. Its own process
   stands still in between. */
byte request[CPUS];
byte serving[CPUS];

inline ACK(from, to) {
  posted[(from) * CPUS + (to)] = 0;
  serving[to] = (from) + 1
}

inline FLUSH_AFTER_ACK(to) {
  i_ = 0;
  do
  :: i_ < PAGES ->
     if
     :: (request[serving[to] - 1] >> i_) & 1 -> DROP(to, i_)
     :: else
     fi;
     i_++
  :: else -> break
  od;
  serving[to] = 0
}
#endif

/* ---- User accesses ---- */

/* The TLB serves an access without a look at the PTE. */
#define SERVES(c, p, st) ((T(c, p) & PRESENT) && (!(st) || ((T(c, p) & W) && ((T(c, p) & D) || !DIRTY_ASSIST))))

/* The walker: sets A, and D for a store, and fills the TLB. A store through a clean translation translates again. */
inline WALK(c, p, st) {
  f_ = pfn[p];
  if
  :: (st) && !(pte[p] & D) -> FRAME_DIRTIED(f_)
  :: else
  fi;
  pte[p] = pte[p] | A | ((st) -> D : 0);
  DROP(c, p);
  T(c, p) = (pte[p] & (PRESENT | W | D)) | (f_ << 4);
  mark[(c) * PAGES + (p)] = ((folio[f_] & ALLOCATED) -> 0 : FREED)
}
