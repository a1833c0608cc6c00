/* ---- Reclaim: one shrink list ---- */

#if !BATCH_PER_TASK
/* The mutant's batch, which all tasks share. */
byte batch_mask;
bool required;
bool writable;
#endif

/* [R0] A page of the list gets the isolate reference, if it is there. */
inline ISOLATE(p, v) {
  if
  :: (pte[p] & PRESENT) && (folio[pfn[p]] & (LRU | ISOLATED)) == LRU ->
     v = pfn[p] + 1;
     folio[v - 1] = folio[v - 1] | ISOLATED
  :: else
  fi
}

/* [R7] What the batch names drops all it has; or, where invalidations were issued on the way, all that is left is to wait. */
inline FLUSH_BATCH(c) {
#if ISSUES_WHEN_DEFERRING
  AWAIT(c);
#else
  SHOOT(c, batch_mask, BATCH_PAGES);
#endif
  d_step { true -> batch_mask = 0; required = 0; writable = 0 }
}

/* What was cleared goes into the batch; a dirty page of a policy that flushes for it at once does not. */
#define DEFERRED (DEFERS_DIRTY || !(was & D))
#define QUEUED   (DEFERRED && (usable || !BATCH_SKIPS_INACCESSIBLE))

/* [R4.4a] [R4.5a] Clears a PTE and puts its flush off. */
inline CLEAR_DEFERRED(q, mm) {
  was = pte[q]; usable = ACCESSIBLE(was, mm); pte[q] = NONE; pfn[q] = 0;
  if
  :: QUEUED -> batch_mask = batch_mask | MASK(mm); required = 1; writable = writable || (was & D)
  :: else
  fi
}

/* One mapping of frame f, where the flush may be put off. */
inline UNMAP_DEFERRED(c, q, t, mm, f) {
  if
  :: !MAPS(q, f)   /* [R4] */
#if SETS_BEFORE_CLEAR
  :: d_step { HAS(q, f) && !ptl[t] -> ptl[t] = 1; batched[mm] = 1 };   /* [R4.1] [R4.2] [R4.3] */
     d_step { true -> CLEAR_DEFERRED(q, mm) };
     MAPPING_GONE(q, t, f)
#else
  :: d_step { HAS(q, f) && !ptl[t] -> ptl[t] = 1; CLEAR_DEFERRED(q, mm) };   /* [R4.1] [R4.2] [R4.3] [R4.4a] [R4.5a] */
     if
     :: !DEFERRED && usable -> SHOOT(c, MASK(mm), 1 << (q))   /* [R4.4b] */
     :: QUEUED -> SET_PENDING(c, q, mm)   /* [R4.6a] */
     :: else
     fi;
     MAPPING_GONE(q, t, f)
#endif
  fi
}

/* The same where it is made at once, under the PTL. */
inline UNMAP_NOW(c, q, t, mm, f) {
  if
  :: !MAPS(q, f)
  :: d_step { HAS(q, f) && !ptl[t] -> ptl[t] = 1; was = pte[q]; usable = ACCESSIBLE(was, mm); pte[q] = NONE; pfn[q] = 0 };   /* [R4.1] [R4.2] [R4.3] [R4.4b] */
     FLUSH_CLEARED(c, q, mm);
     MAPPING_GONE(q, t, f)
  fi
}

/* [R4.9] D moves to the folio, and an anonymous page leaves a swap entry; a lazyfree one that was stored to is mapped again.
   [R4.11] */
inline MAPPING_GONE(q, t, f) {
  d_step {
    true ->
    if
    :: (folio[f] & LAZYFREE) && (was & D) ->
       folio[f] = (folio[f] & ~LAZYFREE) | DIRTY;
       pte[q] = was | A; pfn[q] = f
    :: else ->
       folio[f] = folio[f] | ((was & D) -> DIRTY : 0);
       if
       :: (folio[f] & (ANON | LAZYFREE)) == ANON -> pte[q] = SWAP; found[q] = f + 1
       :: else
       fi
    fi;
    was = 0; usable = 0;
    ptl[t] = 0
  }
}

/* [R1] Takes the folio lock. Anonymous memory goes into the swap cache. */
inline TAKE(v) {
  folio[v - 1] = folio[v - 1] | LOCKED;
  if
  :: (folio[v - 1] & (ANON | LAZYFREE)) == ANON -> folio[v - 1] = folio[v - 1] | CACHED | DIRTY
  :: else
  fi
}

inline KEEP(v) {
  folio[v - 1] = folio[v - 1] & ~LOCKED;
  keeping = keeping | (1 << (v - 1));
  v = 0
}

/* [R5.3] */
inline PAGEOUT(v) {
  if
  :: held[v - 1] || MAPPED(v - 1) -> KEEP(v)
  :: else ->
     folio[v - 1] = folio[v - 1] & ~DIRTY;
     FRAME_CLEANED(v - 1);
#if PAGEOUT_REENTERS && !NESTED_RECLAIM_KEEPS_BATCH
     required = 0;
#endif
#if !SYNCHRONOUS_SWAP
     KEEP(v)
#endif
  fi
}

/* [R6] Nobody but the cache and reclaim has it: it leaves the cache and waits to be freed. */
inline FREEZE(v) {
  if
  :: held[v - 1] || MAPPED(v - 1) || (folio[v - 1] & DIRTY) -> KEEP(v)
  :: else ->
     i_ = 0;
     do
     :: i_ < PAGES ->
        if
        :: found[i_] == v -> found[i_] = 0
        :: else
        fi;
        i_++
     :: else -> break
     od;
     folio[v - 1] = ALLOCATED;
     freeing = freeing | (1 << (v - 1));
     v = 0
  fi
}

/* What becomes of a folio after its mappings are gone, or are not. */
inline DISPOSE(c, v) {
  if
  :: d_step { MAPPED(v - 1) -> KEEP(v) }   /* [R4] */
  :: !MAPPED(v - 1) && (folio[v - 1] & DIRTY) && (!(folio[v - 1] & ANON) || !RECLAIM_MAY_WRITE) ->
#if FLUSHES_BEFORE_KEEPING
     if
     :: writable -> FLUSH_BATCH(c)
     :: else
     fi;
#endif
     d_step { true -> KEEP(v) }   /* [R5.1] */
  :: !MAPPED(v - 1) && (folio[v - 1] & (DIRTY | ANON)) == (DIRTY | ANON) && RECLAIM_MAY_WRITE ->
#if FLUSH_BEFORE_IO
     if
     :: writable -> FLUSH_BATCH(c)   /* [R5.2] */
     :: else
     fi;
#endif
     d_step { true -> PAGEOUT(v) };
     if
     :: d_step { v != 0 -> FREEZE(v) }
     :: v == 0
     fi
  :: d_step { !MAPPED(v - 1) && !(folio[v - 1] & DIRTY) -> FREEZE(v) }
  fi
}

/* [R7] */
inline FLUSH_IF_REQUIRED(c) {
  if
  :: required -> FLUSH_BATCH(c)
  :: else
  fi
}

/* [R8] */
inline FREE_PAGES() {
  d_step {
    true ->
    f_ = 0;
    do
    :: f_ < FRAMES ->
       if
       :: (freeing >> f_) & 1 -> folio[f_] = 0; merged[f_] = 0; FRAME_FREED(f_)
       :: else
       fi;
       f_++
    :: else -> break
    od;
    freeing = 0
  }
}

/* [R9] */
inline PUTBACK() {
  d_step {
    true ->
    f_ = 0;
    do
    :: f_ < FRAMES ->
       if
       :: (keeping >> f_) & 1 -> folio[f_] = folio[f_] & ~ISOLATED; PUT(f_)
       :: else
       fi;
       f_++
    :: else -> break
    od;
    keeping = 0
  }
}

inline END_OF_LIST(c) {
#if !ISOLATE_UNTIL_FLUSHED
  PUTBACK();
#endif
#if FLUSH_BEFORE_FREE
  FLUSH_IF_REQUIRED(c);
  FREE_PAGES();
#else
  FREE_PAGES();
  FLUSH_IF_REQUIRED(c);
#endif
#if ISOLATE_UNTIL_FLUSHED
  PUTBACK()
#endif
}
