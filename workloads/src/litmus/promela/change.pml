/* ---- mprotect, and the passes that walk as it does ---- */

inline LOCK(t) {
  d_step { !ptl[t] -> ptl[t] = 1 }
}

#if FLUSH_PENDING_COUNTS
#define COUNT(mm)   unflushed[mm]++
#define UNCOUNT(mm) unflushed[mm]--
#else
#define COUNT(mm)   unflushed[mm] = 1
#define UNCOUNT(mm) unflushed[mm] = 0
#endif

/* [M6] One PTE gets these rights. A page of one's own becomes writable at once in late kernels, others on the next store. */
inline CHANGE(p, r, w) {
  if
  :: pte[p] & PRESENT ->
     m_ = pte[p];
     w_ = (w) && ((m_ & W) || (MPROTECT_GRANTS_WRITE && OWNED(pfn[p], p)));
     pte[p] = (m_ & ~(W | N)) | (w_ -> W : 0) | ((r) -> 0 : N);
     if
     :: !MPROTECT_GATHERS || (!(m_ & N) && ((!(m_ & W)) == w_ || !(r))) -> changed = changed | (1 << (p))
     :: else
     fi
  :: else
  fi
}

/* NUMA balancing: the next access faults. */
inline HINT(p) {
  if
  :: (pte[p] & (PRESENT | N)) == PRESENT && vb[p] != DRIVER ->
     pte[p] = pte[p] | N;
     changed = changed | (1 << (p))
  :: else
  fi
}

/* userfaultfd and soft-dirty tracking: the next store faults. */
inline PROTECT(c, p) {
  if
  :: pte[p] != NONE -> PASS(c, p)
  :: else
  fi;
  if
  :: pte[p] & PRESENT ->
     if
     :: !MPROTECT_GATHERS || (pte[p] & (W | N)) == W -> changed = changed | (1 << (p))
     :: else
     fi;
     pte[p] = pte[p] & ~W
  :: else
  fi
}

/* [M8] [Z9] The flush that an operation owes at its end: of everything if others have changed PTEs and not flushed yet. */
inline FLUSH_OWED(c, mm, nests, pages) {
  d_step { true -> nested = (nests) && NESTED_GATHERS && unflushed[mm] > 1 };
  if
  :: nested -> SHOOT(c, MASK(mm), PAGES_OF(mm))
  :: !nested && changed -> SHOOT(c, MASK(mm), pages)
  :: !nested && !changed -> NOTHING_OWED(c)
  fi;
  d_step { true -> nested = 0; changed = 0 }
}
