/* ---- Migration of an anonymous page ---- */

/* [G1] The page and a frame to move it to, both locked. */
inline TAKE_FOR_MOVE(p) {
  from = pfn[p];
  ALLOCATE(to, p);
  folio[to] = ALLOCATED | ANON | DIRTY | LOCKED;
  folio[from] = folio[from] | LOCKED | ISOLATED;
  going = 1
}

#define MOVABLE(p) ((pte[p] & PRESENT) && !SHARED(pfn[p], p) && \
                    (folio[pfn[p]] & (ANON | LRU | ISOLATED | LAZYFREE)) == (ANON | LRU) && MEMORY_LEFT)

inline CLEAR_FOR_MOVE(q, mm) {
  was = pte[q]; pte[q] = NONE; pfn[q] = 0; kept[q] = from + 1;
  usable = ACCESSIBLE(was, mm)
}

/* One mapping gives way to a migration entry. defers: the flush may be put off. */
inline MOVE_AWAY(c, q, t, mm, defers) {
  if
  :: !MAPS(q, from)
  :: d_step { HAS(q, from) && !ptl[t] ->
       ptl[t] = 1;
#if SETS_BEFORE_CLEAR
       if
       :: defers -> batched[mm] = 1
       :: else -> CLEAR_FOR_MOVE(q, mm)
       fi
#else
       CLEAR_FOR_MOVE(q, mm)
#endif
     };   /* [G2] */
#if SETS_BEFORE_CLEAR
     if
     :: defers -> d_step { true -> CLEAR_FOR_MOVE(q, mm) }   /* [G2] */
     :: else
     fi;
#endif
     if
     :: d_step { (usable || !BATCH_SKIPS_INACCESSIBLE) && (defers) && (DEFERS_DIRTY || !(was & D)) ->
          batch_mask = batch_mask | MASK(mm); required = 1; writable = writable || (was & D)
        };
        SET_PENDING(c, q, mm)   /* [G3] */
     :: usable && !((defers) && (DEFERS_DIRTY || !(was & D))) -> SHOOT(c, MASK(mm), 1 << (q))   /* [G3] */
     :: !usable && (BATCH_SKIPS_INACCESSIBLE || !((defers) && (DEFERS_DIRTY || !(was & D))))
     fi;
     d_step { true -> pte[q] = MOVING; found[q] = from + 1; kept[q] = 0; usable = 0; ptl[t] = 0 }   /* [G3] */
  fi
}

/* [G4] What is stored to the old frame without asking the PTE is lost from here on, unless somebody has pinned it. */
inline COPY_AWAY() {
  if
  :: held[from] -> unlinks = 1
  :: else -> FRAME_COPIED(from)
  fi
}

/* [G5] */
inline MOVE_BACK(q, t) {
  if
  :: d_step { pte[q] == MOVING && found[q] == from + 1 && !ptl[t] ->
       found[q] = 0;
       f_ = (unlinks -> from : to);
       folio[f_] = folio[f_] | LRU;
       pte[q] = PRESENT | A | (was & D) | ((was & W) && vw[q] -> W : 0) | (vr[q] -> 0 : N);
       pfn[q] = f_
     }
  :: !(pte[q] == MOVING && found[q] == from + 1)
  fi
}

/* [G6] */
inline RELEASE_MOVED(c) {
  d_step { true -> held[from]++; folio[from] = folio[from] & ~(LOCKED | ISOLATED) };
#if !FLUSH_BEFORE_COPY
  FLUSH_IF_REQUIRED(c);
#endif
  d_step {
    true ->
    held[from]--;
    PUT(from);
    folio[to] = folio[to] & ~LOCKED;
    PUT(to);
    from = 0; to = 0; was = 0; going = 0; unlinks = 0
  }
}
