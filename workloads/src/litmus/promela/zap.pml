/* ---- munmap, MADV_DONTNEED, MADV_FREE ---- */

/* The gather takes over the reference of a mapping. */
inline GATHER(f) {
  if
  :: (f) != ZERO && !((gathered >> (f)) & 1) -> held[f]++; gathered = gathered | (1 << (f))
  :: else
  fi
}

/* [Z5] One PTE. */
inline ZAP(c, p, unmaps) {
  if
  :: pte[p] == SWAP || pte[p] == MOVING ->
     m_ = pte[p];
     pte[p] = NONE;
     if
     :: found[p] && m_ == SWAP -> f_ = found[p] - 1; found[p] = 0; PUT(f_)
     :: else -> found[p] = 0
     fi
  :: (pte[p] & PRESENT) && vb[p] == DRIVER ->
     if
     :: unmaps -> kept[p] = pfn[p] + 1; pte[p] = NONE; pfn[p] = 0; changed = changed | (1 << (p)); unlinks = 1
     :: else
     fi
  :: (pte[p] & PRESENT) && vb[p] != DRIVER ->
     f_ = pfn[p];
     if
     :: (pte[p] & D) && !(folio[f_] & ANON) && f_ != ZERO ->
        folio[f_] = folio[f_] | DIRTY;
        forced = 1;
#if RMAP_AFTER_FLUSH
        kept[p] = f_ + 1
#endif
     :: else
     fi;
     pte[p] = NONE; pfn[p] = 0;
     changed = changed | (1 << (p));
     GATHER(f_)
  :: else
  fi;
  /* A shared file page comes back as it was. */
  if
  :: !(unmaps) && vb[p] == ANONYMOUS -> PASS(c, p)
  :: else
  fi
}

/* MADV_FREE, in place of [Z5]: from now on only a store that sets D again keeps the content. */
inline AGE(c, p) {
  if
  :: vb[p] == ANONYMOUS && pte[p] == NONE -> PASS(c, p)
  :: pte[p] == SWAP ->
     pte[p] = NONE;
     if
     :: found[p] -> f_ = found[p] - 1; found[p] = 0; PUT(f_)
     :: else
     fi;
     PASS(c, p)
  :: pte[p] & PRESENT ->
     f_ = pfn[p];
     if
     :: !(folio[f_] & ANON) || (folio[f_] & LOCKED) || SHARED(f_, p)
     :: else ->
        folio[f_] = (folio[f_] | LAZYFREE) & ~(DIRTY | CACHED);
        if
        :: pte[p] & (A | D) -> pte[p] = pte[p] & ~(A | D); changed = changed | (1 << (p))
        :: else
        fi;
        PASS(c, p)
     fi
  :: else
  fi
}

/* [Z6] Where a dirty file page was unmapped, under the PTL. */
inline FLUSH_FORCED(c, mm) {
#if FLUSH_DIRTY_UNDER_PTL
  if
  :: forced && changed -> SHOOT(c, MASK(mm), COVER(changed)); d_step { true -> changed = 0 }
  :: !(forced && changed)
  fi
#else
  skip
#endif
}

/* [Z9] After the flush. */
inline FREE_GATHERED() {
  f_ = 0;
  do
  :: f_ < FRAMES ->
     if
     :: (gathered >> f_) & 1 -> held[f_]--; PUT(f_)
     :: else
     fi;
     f_++
  :: else -> break
  od;
  gathered = 0
}

/* [Z9] munmap's, which LATR leaves to others: [LZ1]. */
inline FLUSH_UNMAPPED(c, mm) {
#if DEFERS_UNMAP
  d_step { true -> nested = NESTED_GATHERS && unflushed[mm] > 1 };
  if
  :: nested -> SHOOT(c, MASK(mm), PAGES_OF(mm))
  :: d_step { !nested && changed -> RECORD(c, MASK(mm), COVER(changed)) }
  :: !nested && !changed -> NOTHING_OWED(c)
  fi;
  d_step { true -> nested = 0; changed = 0 }
#else
  FLUSH_OWED(c, mm, 1, COVER(changed))
#endif
}
