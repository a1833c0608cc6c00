/* ---- What is a violation ---- */

/* What user space has been promised of a page: that it is mapped, and its rights. */
bool granted[PAGES];
bool granted_r[PAGES];
bool granted_w[PAGES];

byte mark[CPUS * PAGES];
byte passed[CPUS * PAGES];  /* CPUs whose operation has come past the PTE since, a bit each */

#ifdef ONLY
#define VERDICT assert(cls_ != ONLY)
#else
#define VERDICT assert(cls_ == 0)
#endif

/* An access goes through. ONLY has the number of the class that is looked for: 1 permission, 2 unmapped, 3 data, 4 copy,
   5 clean-page, 6 freed-frame, 7 reused-frame. An access that is of several counts as the gravest. */
inline USE(c, p, st) {
  m_ = mark[(c) * PAGES + (p)];
  cls_ = ((m_ & REUSED) -> 7 :
         ((m_ & FREED) -> 6 :
         ((st) && (m_ & CLEANED) -> 5 :
         ((st) && (m_ & COPIED) -> 4 :
         ((m_ & DATA) || ((st) && (m_ & LOST)) -> 3 :
         (!granted[p] -> 2 :
         (!granted_r[p] || ((st) && (!granted_w[p] || (m_ & FAULTS))) -> 1 : 0)))))));
  VERDICT
}

#define OF(e, f) ((tlb[e] & PRESENT) && (tlb[e] >> 4) == (f))
#define BLIND(e) ((tlb[e] & (PRESENT | W | D)) == (PRESENT | W | D))

inline FRAME_FREED(f) {
  i_ = 0;
  do
  :: i_ < CPUS * PAGES ->
     if
     :: OF(i_, f) -> mark[i_] = (mark[i_] & ~(CLEANED | REUSED)) | FREED
     :: else
     fi;
     i_++
  :: else -> break
  od;
  WALKERS_FREED(f)
}

inline FRAME_ALLOCATED(f, p) {
  i_ = 0;
  do
  :: i_ < CPUS * PAGES ->
     if
     :: OF(i_, f) && (mark[i_] & FREED) -> mark[i_] = (mark[i_] & ~FREED) | ((i_ % PAGES) != (p) -> REUSED : 0)
     :: else
     fi;
     i_++
  :: else -> break
  od;
  WALKERS_REUSED(f, p)
}

/* Marked clean, to be written. */
inline FRAME_CLEANED(f) {
  i_ = 0;
  do
  :: i_ < CPUS * PAGES ->
     if
     :: OF(i_, f) && BLIND(i_) && !(mark[i_] & (FREED | REUSED)) -> mark[i_] = mark[i_] | CLEANED
     :: else
     fi;
     i_++
  :: else -> break
  od
}

/* D is set in a PTE, so it will be written again. */
inline FRAME_DIRTIED(f) {
  i_ = 0;
  do
  :: i_ < CPUS * PAGES ->
     if
     :: OF(i_, f) -> mark[i_] = mark[i_] & ~CLEANED
     :: else
     fi;
     i_++
  :: else -> break
  od
}

/* Copied, for all its pages or for one of them. */
inline FRAME_COPIED(f) {
  i_ = 0;
  do
  :: i_ < CPUS * PAGES ->
     if
     :: OF(i_, f) && BLIND(i_) -> mark[i_] = mark[i_] | COPIED
     :: else
     fi;
     i_++
  :: else -> break
  od
}

inline PAGE_COPIED(p, f) {
  i_ = p;
  do
  :: i_ < CPUS * PAGES ->
     if
     :: OF(i_, f) && BLIND(i_) -> mark[i_] = mark[i_] | COPIED
     :: else
     fi;
     i_ = i_ + PAGES
  :: else -> break
  od
}

/* An operation that gives content up, or takes W to see the next store, has come past a PTE: what is filled later is new. */
inline PASS(c, p) {
  i_ = p;
  do
  :: i_ < CPUS * PAGES ->
     if
     :: tlb[i_] & PRESENT -> passed[i_] = passed[i_] | (1 << (c))
     :: else
     fi;
     i_ = i_ + PAGES
  :: else -> break
  od
}

/* It returns: what was filled before it came past breaks a promise, for any access or if it stores blindly. */
inline RETURNS(c, p, any, blind) {
  i_ = p;
  do
  :: i_ < CPUS * PAGES ->
     if
     :: (passed[i_] >> (c)) & 1 ->
        passed[i_] = passed[i_] & ~(1 << (c));
        mark[i_] = mark[i_] | (any) | (BLIND(i_) -> (blind) : 0)
     :: else
     fi;
     i_ = i_ + PAGES
  :: else -> break
  od
}

/* An operation begins: either side of it is right while it runs. Where something else is mapped now, what could be reached
   though it was unmapped is old content. */
inline GRANT(p, r, w) {
  if
  :: !granted[p] ->
     i_ = p;
     do
     :: i_ < CPUS * PAGES ->
        if
        :: tlb[i_] & PRESENT -> mark[i_] = mark[i_] | DATA
        :: else
        fi;
        i_ = i_ + PAGES
     :: else -> break
     od
  :: else
  fi;
  granted[p] = 1; granted_r[p] = granted_r[p] || (r); granted_w[p] = granted_w[p] || (w)
}

/* An operation returns: only this is right from now on. */
inline PROMISE(p, r, w) {
  granted[p] = 1; granted_r[p] = (r); granted_w[p] = (w)
}

inline FORBID(p) {
  granted[p] = 0; granted_r[p] = 0; granted_w[p] = 0
}
