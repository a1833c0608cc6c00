/* ---- Writeback and truncation ---- */

/* The frame + 1 of a file page, mapped or not. */
#define FILE_PAGE(p) ((pte[p] & PRESENT) -> pfn[p] + 1 : found[p])
#define IS_FILE(v)   ((v) != 0 && (folio[(v) - 1] & (LRU | ANON)) == LRU)

/* One mapping becomes read-only and clean, its translation gone everywhere before. */
inline MAKE_CLEAN(c, q, t, mm, f) {
  if
  :: !MAPS(q, f)   /* [W2] */
  :: d_step { MAPS(q, f) && !ptl[t] && !(HAS(q, f) && (pte[q] & (W | D))) -> skip }   /* [W3] */
  :: d_step { HAS(q, f) && (pte[q] & (W | D)) && !ptl[t] -> ptl[t] = 1; was = pte[q]; usable = ACCESSIBLE(was, mm); pte[q] = NONE; pfn[q] = 0; kept[q] = f + 1 };   /* [W3] */
     FLUSH_CLEARED(c, q, mm);
     d_step { true -> pte[q] = PRESENT | A | (was & N); pfn[q] = f; kept[q] = 0; was = 0; usable = 0; ptl[t] = 0 }   /* [W4] */
  fi
}

/* Truncation unmaps one page. */
inline UNMAP_FILE(c, q, t, mm, f) {
  if
  :: !MAPS(q, f)   /* [T2] */
  :: d_step { MAPS(q, f) -> COUNT(mm) };   /* [T2] */
     LOCK(t);   /* [T3] */
#if CHECK_IN_ZAP
     CHECK(c, q, mm);
#endif
     d_step {
       true ->
       if
       :: HAS(q, f) -> changed = 1; pte[q] = NONE; pfn[q] = 0; found[q] = f + 1
       :: else
       fi;
       ptl[t] = 0
     };   /* [T3] [T4] */
     if
     :: changed -> SHOOT(c, MASK(mm), 1 << (q))   /* [T4] */
     :: !changed
     fi;
     d_step { true -> changed = 0; UNCOUNT(mm) }   /* [T4] */
  fi
}
