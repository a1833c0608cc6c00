/* ---- User accesses and page faults ---- */

/* SIGSEGV, or SIGBUS where a driver has taken its memory back. */
#define REFUSED(p, st) (!vm[p] || !vr[p] || ((st) && !vw[p]) || (vb[p] == DRIVER && pte[p] == NONE))
/* A store to a page that is mapped read-only copies it. */
#define COPIES(p, st) ((st) && (pte[p] & (PRESENT | N)) == PRESENT && !(pte[p] & W) && vb[p] == ANONYMOUS && \
                       (!WP_REUSES || !OWNED(pfn[p], p)))
/* A fault waits for the lock of a folio that it finds in a cache, and of a file page that becomes writable. */
#define WAITS(p, st) (pte[p] == MOVING || \
                      (!(pte[p] & PRESENT) && found[p] && (folio[found[p] - 1] & LOCKED)) || \
                      ((st) && (pte[p] & (PRESENT | N)) == PRESENT && vb[p] == FILE && (folio[pfn[p]] & LOCKED)))
#define NEEDS_FRAME(p, st) (!(pte[p] & PRESENT) && !found[p])

/* [FT4] */
inline MAP(p, st) {
  if
  :: (pte[p] & PRESENT) && (pte[p] & N) ->
     f_ = pfn[p];
     /* What NUMA balancing made inaccessible gets back what it had. */
     w_ = vw[p] && ((pte[p] & W) || (MPROTECT_GRANTS_WRITE && vb[p] == ANONYMOUS && OWNED(f_, p)));
     pte[p] = PRESENT | A | (pte[p] & D) | (w_ -> W : 0)
  :: (pte[p] & PRESENT) && !(pte[p] & N) ->
     f_ = pfn[p];
     w_ = vw[p] && (vb[p] != ANONYMOUS || OWNED(f_, p));
     pte[p] = PRESENT | A | (pte[p] & D) | (w_ -> W | D : 0)
  :: pte[p] == SWAP ->
     if
     :: found[p] -> f_ = found[p] - 1; found[p] = 0
     :: else -> ALLOCATE(f_, p); folio[f_] = ALLOCATED
     fi;
     /* The slot goes, so this is the only copy. */
     folio[f_] = (folio[f_] | LRU | ANON | DIRTY) & ~(FOUND(f_) -> 0 : CACHED);
     w_ = vw[p] && !SHARED(f_, p) && !merged[f_] && ((st) || SWAPIN_GRANTS_WRITE);
     pte[p] = PRESENT | A | (w_ -> W : 0) | ((st) && w_ -> D : 0)
  :: pte[p] == NONE && vb[p] == FILE ->
     if
     :: found[p] -> f_ = found[p] - 1
     :: else -> ALLOCATE(f_, p); folio[f_] = ALLOCATED | LRU | CACHED; found[p] = f_ + 1
     fi;
     pte[p] = PRESENT | A | ((st) -> W | D : 0)
  :: pte[p] == NONE && vb[p] != FILE && (st) ->
     ALLOCATE(f_, p);
     folio[f_] = ALLOCATED | LRU | ANON | DIRTY;
     pte[p] = PRESENT | A | W | D
  :: else ->
     f_ = ZERO;
     pte[p] = PRESENT | A
  fi;
  pfn[p] = f_;
  if
  :: pte[p] & D ->
     if
     :: !(folio[f_] & ANON) -> folio[f_] = folio[f_] | DIRTY
     :: else
     fi;
     FRAME_DIRTIED(f_)
  :: else
  fi
}

/* An access, tried again until it goes through or ends in a signal. Without a copy a fault is one step: it takes mmap_lock and the
   PTL, does one thing and lets go of both. Evictions come right before the access that could tell. */
inline ACCESS(c, p, t, mm, st) {
  do
  :: d_step { SERVES(c, p, st) -> USE(c, p, st) };   /* [U1] */
     break
  :: d_step { (EVICTIONS || !SERVES(c, p, st)) && ALLOWS(p, st) -> WALK(c, p, st); USE(c, p, st) };   /* [U2] [U3] */
     break
  :: d_step { (EVICTIONS || !SERVES(c, p, st)) && !ALLOWS(p, st) && !writer[mm] && REFUSED(p, st) -> DROP(c, p) };   /* [FT1] [FT2] [FT8] */
     break
  :: d_step {
       (EVICTIONS || !SERVES(c, p, st)) && !ALLOWS(p, st) && !writer[mm] && !REFUSED(p, st) &&
       !ptl[t] && !WAITS(p, st) && !COPIES(p, st) && (!NEEDS_FRAME(p, st) || MEMORY_LEFT) ->
       DROP(c, p);
       MAP(p, st)   /* [FT1] [FT2] [FT3] [FT4] [FT6] [FT7] [U4] */
     }
  :: d_step {
       (EVICTIONS || !SERVES(c, p, st)) && !ALLOWS(p, st) && !writer[mm] && !REFUSED(p, st) &&
       !ptl[t] && !WAITS(p, st) && COPIES(p, st) && MEMORY_LEFT ->
       DROP(c, p);
       readers[mm]++; ptl[t] = 1   /* [FT1] [FT2] [FT3] */
     };
     COPY(c, p, t, mm)
  od;
  skip
}

/* [FT5] Copy on write: the old translation is gone everywhere before the new frame is mapped. */
inline COPY(c, p, t, mm) {
#if WP_FAULT_CHECKS_PENDING
  if
  :: OWNED(pfn[p], p) && unflushed[mm] -> SHOOT(c, MASK(mm), 1 << (p))
  :: else
  fi;
#endif
  d_step {
    MEMORY_LEFT ->
    from = pfn[p];
    ALLOCATE(to, p);
    folio[to] = ALLOCATED | ANON | DIRTY;
    PAGE_COPIED(p, from);
    pte[p] = NONE; pfn[p] = 0; kept[p] = from + 1; held[from]++
  };
  SHOOT(c, MASK(mm), 1 << (p));
  d_step {
    true ->
    pte[p] = PRESENT | A | W | D; pfn[p] = to; kept[p] = 0;
    folio[to] = folio[to] | LRU;
    held[from]--;
    PUT(from);   /* [FT6] [FT7] */
    from = 0; to = 0;
    ptl[t] = 0; readers[mm]--
  }
}
