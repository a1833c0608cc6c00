/* The reference model (sim-core/tests/models/reference.rs) for SPIN: three page-table pages, and a pair of counters that tells
 * mprotect of flushes put off. SPIN looks around between the steps that there are one, so it has more states. */

#define PAGES 3
#define NONE 0
#define READ_ONLY 1
#define WRITABLE 2

byte pte[PAGES];
byte translation[PAGES];
bit ptl[PAGES];
bit returned[PAGES];
bit mmap_lock;
byte pending, flushed;

inline take(lock) { atomic { lock == 0; lock = 1 } }

inline forget() { d_step { translation[0] = NONE; translation[1] = NONE; translation[2] = NONE } }

proctype kswapd(byte page) {
    bit owes;
    take(ptl[page]);
    if
    :: pte[page] != NONE ->
        pte[page] = NONE;
        d_step { pending++; owes = 1 }
    :: else
    fi;
    ptl[page] = 0;
    if
    :: owes -> forget()
    :: else
    fi
}

proctype mprotect(byte page) {
    byte seen_pending, seen_flushed;
    bit changed;
    take(mmap_lock);
    take(ptl[page]);
    d_step { seen_pending = pending; seen_flushed = flushed };
    if
    :: seen_pending != seen_flushed ->
        forget();
        d_step {
            if
            :: pending == seen_pending && flushed == seen_flushed -> flushed = seen_pending
            :: else
            fi
        }
    :: else
    fi;
    if
    :: pte[page] == WRITABLE ->
        pte[page] = READ_ONLY;
        changed = 1
    :: else
    fi;
    ptl[page] = 0;
    if
    :: changed -> forget()
    :: else
    fi;
    atomic { returned[page] = 1; mmap_lock = 0 }
}

proctype user(byte page) {
end:
    do
    :: atomic { translation[page] == NONE && pte[page] != NONE -> translation[page] = pte[page] }
    :: atomic { translation[page] == WRITABLE && returned[page] -> assert(false) }
    od
}

init {
    byte page;
    atomic {
        do
        :: page < PAGES ->
            pte[page] = WRITABLE;
            translation[page] = WRITABLE;
            run kswapd(page);
            run mprotect(page);
            run user(page);
            page++
        :: else -> break
        od
    }
}
