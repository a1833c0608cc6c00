/* ---- The policy ---- */

bool batched[MMS];     /* tlb_flush_batched as a flag */
byte pending[MMS];     /* and as a pair of generations */
byte flushed[MMS];

inline DROP_ALL(c) {
  i_ = 0;
  do
  :: i_ < PAGES -> DROP(c, i_); i_++
  :: else -> break
  od;
  i_ = 0
}

/* Reclaim has cleared a PTE and put its flush off: it tells the others. */
inline SET_PENDING(c, p, mm) {
#if ISSUES_WHEN_DEFERRING
  /* A broadcast reaches the CPU that issues it, too. */
  d_step { POST(c, MASK(mm), 1 << (p), 1) };
#endif
#if FLAG && !SETS_BEFORE_CLEAR && !NEVER_SETS
  d_step { true -> batched[mm] = 1 };
#endif
#if GENERATION
  /* The restart beyond 16,383 is out of reach here, so the read before it decides nothing. */
  d_step { true -> pending[mm]++ };
#endif
  skip
}

/* The pending check, before what a PTE says is relied on. */
inline CHECK(c, p, mm) {
#if FLAG
  if
  :: batched[mm] ->
#if CLEARS_FIRST
     d_step { true -> batched[mm] = 0 };
#endif
#if CHECKS_LOCALLY
     d_step { true -> DROP_ALL(c) };
#else
     SHOOT(c, MASK(mm), PAGES_OF(mm));
#endif
#if !CLEARS_FIRST
     d_step { true -> batched[mm] = 0 }
#else
     skip
#endif
  :: else
  fi;
#endif
#if GENERATION
  d_step { true -> g1 = pending[mm]; g2 = flushed[mm] };
  if
  :: g1 != g2 ->
     SHOOT(c, MASK(mm), PAGES_OF(mm));
     /* A compare-and-exchange: if reclaim has counted on meanwhile, the next check flushes again. */
     d_step {
       if
       :: STORES_FLUSHED || (pending[mm] == g1 && flushed[mm] == g2) -> pending[mm] = g1; flushed[mm] = g1
       :: else
       fi;
       g1 = 0; g2 = 0
     }
  :: else -> d_step { true -> g1 = 0; g2 = 0 }
  fi;
#endif
#if CATCHES_UP
  /* Every CPU is brought up to the generation of the address space; here as a flush of all of it. */
  SHOOT(c, MASK(mm), PAGES_OF(mm));
#endif
#if SYNCS
  QUIET(c);
#endif
  skip
}

/* An operation has found nothing to flush and is about to return. */
inline NOTHING_OWED(c) {
#if FLUSHES_LOCALLY
  d_step { true -> DROP_ALL(c) }
#else
  skip
#endif
}
