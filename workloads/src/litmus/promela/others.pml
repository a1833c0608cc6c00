/* ---- fork, gup, drivers ---- */

/* [K2] One PTE, under both PTLs. */
inline DUPLICATE(p, q) {
  if
  :: pte[p] == SWAP -> pte[q] = SWAP; found[q] = found[p]
  :: (pte[p] & PRESENT) && vb[p] != FILE && (folio[pfn[p]] & ANON) ->
     if
     :: pte[p] & W -> pte[p] = pte[p] & ~W; forced = 1
     :: else
     fi;
     folio[pfn[p]] = (folio[pfn[p]] | DIRTY) & ~LAZYFREE;
     pte[q] = pte[p] & ~(W | A); pfn[q] = pfn[p]
  :: else
  fi
}

/* fork returns: what both have is copied before it is stored to. */
inline FORKED(p) {
  i_ = p;
  do
  :: i_ < CPUS * PAGES ->
     if
     :: BLIND(i_) && (pte[p] == SWAP || (HAS(p, tlb[i_] >> 4) && SHARED(pfn[p], p))) -> mark[i_] = mark[i_] | COPIED
     :: else
     fi;
     i_ = i_ + PAGES
  :: else -> break
  od
}

/* What gup-fast has read from a PTE: a frame + 1, of which page, and what became of it. */
byte walker[CPUS];
byte walker_page[CPUS];
byte walker_mark[CPUS];

inline WALKERS_FREED(f) {
  i_ = 0;
  do
  :: i_ < CPUS ->
     if
     :: walker[i_] == (f) + 1 -> walker_mark[i_] = FREED
     :: else
     fi;
     i_++
  :: else -> break
  od
}

inline WALKERS_REUSED(f, p) {
  i_ = 0;
  do
  :: i_ < CPUS ->
     if
     :: walker[i_] == (f) + 1 && walker_mark[i_] == FREED -> walker_mark[i_] = (walker_page[i_] != (p) -> REUSED : 0)
     :: else
     fi;
     i_++
  :: else -> break
  od
}

inline FORGET(c) {
  walker[c] = 0; walker_page[c] = 0; walker_mark[c] = 0
}

/* Pins a page for a device, tried again until it has it or the fault ends in a signal. */
inline PIN(c, p, t, mm) {
  do
  :: d_step { (pte[p] & (PRESENT | N)) == PRESENT -> walker[c] = pfn[p] + 1; walker_page[c] = p; irqs_off[c] = 1 };   /* [Q1] */
     if
     :: d_step { vb[p] == DRIVER -> FORGET(c); irqs_off[c] = 0 };   /* [Q2] */
        break
     :: d_step { vb[p] != DRIVER && !(folio[walker[c] - 1] & (LRU | ANON)) && walker[c] - 1 != ZERO -> FORGET(c); irqs_off[c] = 0 }   /* [Q2] */
     :: d_step { vb[p] != DRIVER && ((folio[walker[c] - 1] & (LRU | ANON)) || walker[c] - 1 == ZERO) -> held[walker[c] - 1]++ };   /* [Q2] */
#if GUP_RECHECKS_PTE
        if
        :: d_step { (pte[p] & (PRESENT | N)) == PRESENT && pfn[p] + 1 == walker[c] -> irqs_off[c] = 0; going = 1 }   /* [Q3] */
        :: d_step { !((pte[p] & (PRESENT | N)) == PRESENT && pfn[p] + 1 == walker[c]) ->
             irqs_off[c] = 0;
             held[walker[c] - 1]--;
             PUT(walker[c] - 1);
             FORGET(c)
           }   /* [Q3] */
        fi;
#else
        d_step { true -> irqs_off[c] = 0; going = 1 };
#endif
        if
        :: going ->
           d_step {
             true ->
             cls_ = ((walker_mark[c] & REUSED) -> 7 : ((walker_mark[c] & FREED) -> 6 : 0));
             VERDICT
           };   /* [Q4] */
           d_step { true -> going = 0; held[walker[c] - 1]--; f_ = walker[c] - 1; FORGET(c); PUT(f_) };   /* [Q5] */
           break
        :: !going
        fi
     fi
  :: d_step { !ALLOWS(p, 0) && !writer[mm] && REFUSED(p, 0) -> skip };   /* [Q6] [Q7] */
     break
  :: d_step {
       !ALLOWS(p, 0) && !writer[mm] && !REFUSED(p, 0) && !ptl[t] && !WAITS(p, 0) && (!NEEDS_FRAME(p, 0) || MEMORY_LEFT) ->
       DROP(c, p);
       MAP(p, 0)   /* [Q6] */
     }
  od;
  skip
}

/* A driver unmaps one page of its memory. */
inline UNMAP_DRIVERS(c, q, t, mm, f) {
  if
  :: !MAPS(q, f)   /* [D1] */
  :: d_step { MAPS(q, f) -> COUNT(mm) };   /* [D1] [D2] */
     LOCK(t);   /* [D3] */
#if CHECK_IN_ZAP
     CHECK(c, q, mm);
#endif
     d_step {
       true ->
       if
       :: HAS(q, f) -> changed = 1; pte[q] = NONE; pfn[q] = 0
       :: else
       fi;
       ptl[t] = 0
     };   /* [D4] [D5] */
     d_step { true -> nested = NESTED_GATHERS && unflushed[mm] > 1 };
     if
     :: nested -> SHOOT(c, MASK(mm), PAGES_OF(mm))
     :: !nested && changed -> SHOOT(c, MASK(mm), 1 << (q))
     :: !nested && !changed
     fi;
     d_step { true -> nested = 0; changed = 0; UNCOUNT(mm) }   /* [D6] */
  fi
}

/* [D7] The driver gives the memory away. */
inline GIVE_AWAY(v) {
  f_ = 0;
  do
  :: f_ < PAGES ->
     if
     :: found[f_] == v -> found[f_] = 0
     :: else
     fi;
     if
     :: kept[f_] == v -> kept[f_] = 0
     :: else
     fi;
     f_++
  :: else -> break
  od;
  folio[v - 1] = 0;
  FRAME_FREED(v - 1);
  v = 0
}

/* What mincore says of a page: without a PTE, whether it is in the page cache or in the swap cache. */
#define RESIDENT(p) ((pte[p] & PRESENT) || (MINCORE_ASKS_CACHES && found[p] && vb[p] != DRIVER))
