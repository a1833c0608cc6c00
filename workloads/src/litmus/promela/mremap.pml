/* ---- mremap ---- */

/* [V4] One PTE, under both PTLs. */
inline MOVE(p, q) {
  if
  :: pte[p] != NONE ->
     if
     :: (pte[p] & PRESENT) && (MREMAP_FLUSHES_UNDER_PTL || (pte[p] & D)) -> changed = changed | (1 << (p))
     :: else
     fi;
     pte[q] = pte[p]; pfn[q] = pfn[p];
     pte[p] = NONE; pfn[p] = 0
  :: else
  fi;
  found[q] = found[p]; found[p] = 0
}
