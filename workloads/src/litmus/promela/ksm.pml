/* ---- KSM ---- */

/* [S1] A page of anonymous memory: its folio lock and a reference. */
#define MERGEABLE(p, v) (vm[p] && (pte[p] & PRESENT) && (folio[pfn[p]] & (ANON | LOCKED)) == ANON && pfn[p] + 1 != (v))
inline TAKE_FOR_MERGE(p, v) {
  v = pfn[p] + 1;
  folio[v - 1] = folio[v - 1] | LOCKED;
  held[v - 1]++
}

#define ALONE(f) (!KSM_CHECKS_REFERENCES || (!(folio[f] & ISOLATED) && held[f] <= 1))
#define OWES_FLUSH(p, mm) ((pte[p] & (W | D | N)) || (KSM_FLUSHES_EXCLUSIVE && OWNED(pfn[p], p)) || \
                           (KSM_CHECKS_PENDING && unflushed[mm] != 0))

/* The PTE becomes read-only and clean, if nobody else has a reference. was keeps it, going says that it worked. */
inline WRITE_PROTECT(c, p, t, mm, v) {
  LOCK(t);   /* [S2] */
  if
  :: d_step { !HAS(p, v - 1) -> ptl[t] = 0 }
  :: d_step { HAS(p, v - 1) && !OWES_FLUSH(p, mm) ->
       was = pte[p];
       going = !KSM_COUNTS_READ_ONLY || ALONE(v - 1);
       ptl[t] = 0
     }   /* [S3] [S5] */
  :: d_step { HAS(p, v - 1) && OWES_FLUSH(p, mm) -> was = pte[p]; usable = ACCESSIBLE(was, mm); pte[p] = NONE; pfn[p] = 0; kept[p] = v };   /* [S3] */
     FLUSH_CLEARED(c, p, mm);
     d_step {
       true ->
       kept[p] = 0; usable = 0;
       if
       :: ALONE(v - 1) ->
          folio[v - 1] = folio[v - 1] | ((was & D) -> DIRTY : 0);
          was = was & ~(W | D);
          going = 1
       :: else
       fi;
       pte[p] = was; pfn[p] = v - 1;
       ptl[t] = 0
     }   /* [S4] [S5] */
  fi
}

/* [S7] [S8] If the PTE is as it was, the stable frame takes the place. */
inline REPLACE(c, p, t, mm, stable, v) {
  LOCK(t);   /* [S7] */
  if
  :: d_step { !(HAS(p, v - 1) && pte[p] == was) -> ptl[t] = 0 }
  :: d_step { HAS(p, v - 1) && pte[p] == was -> usable = ACCESSIBLE(was, mm); pte[p] = NONE; pfn[p] = 0; kept[p] = v };   /* [S7] */
     FLUSH_CLEARED(c, p, mm);
     d_step {
       true ->
       kept[p] = 0; usable = 0;
       folio[stable - 1] = (folio[stable - 1] | DIRTY) & ~LAZYFREE;
       pte[p] = PRESENT | A | (vr[p] -> 0 : N); pfn[p] = stable - 1;
       ptl[t] = 0
     }   /* [S8] */
  fi
}

inline UNLOCK_FOLIO(v) {
  folio[v - 1] = folio[v - 1] & ~LOCKED
}

inline LET_GO_OF(v) {
  held[v - 1]--;
  PUT(v - 1);
  v = 0
}
