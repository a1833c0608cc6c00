/* ---- What munmap leaves to other CPUs under LATR ---- */

#if DEFERS_UNMAP
#define SETTLED(pages) (!ADDRESSES_HELD_UNTIL_SWEPT || !(RECORDS & (pages)))
byte records[CPUS * CPUS];   /* for whoever unmapped and for a CPU, the pages that the CPU has to drop at its next tick */
byte sweeping[CPUS];         /* frames that are held back until then */

/* [LZ1] The own part at once, a record for every other CPU of a mask, and the frames held back. */
inline RECORD(c, mask, pages) {
  i_ = 0;
  do
  :: i_ < PAGES ->
     if
     :: ((pages) >> i_) & 1 -> DROP(c, i_)
     :: else
     fi;
     i_++
  :: else -> break
  od;
  i_ = 0;
  do
  :: i_ < CPUS ->
     if
     :: i_ != (c) && (((mask) >> i_) & 1) -> records[(c) * CPUS + i_] = records[(c) * CPUS + i_] | (pages)
     :: else
     fi;
     i_++
  :: else -> break
  od;
#if FRAMES_HELD_UNTIL_SWEPT
  sweeping[c] = sweeping[c] | gathered;
  gathered = 0;
#endif
  i_ = 0
}

/* A tick drops what a record says. */
inline SWEEP(from, to) {
  i_ = 0;
  do
  :: i_ < PAGES ->
     if
     :: (records[(from) * CPUS + (to)] >> i_) & 1 -> DROP(to, i_)
     :: else
     fi;
     i_++
  :: else -> break
  od;
  records[(from) * CPUS + (to)] = 0
}

/* [LZ2] Every CPU has swept: what was held back is freed. */
inline LET_GO(c) {
  f_ = 0;
  do
  :: f_ < FRAMES ->
     if
     :: (sweeping[c] >> f_) & 1 -> held[f_]--; PUT(f_)
     :: else
     fi;
     f_++
  :: else -> break
  od;
  sweeping[c] = 0
}
#else
#define SETTLED(pages) true
#endif
