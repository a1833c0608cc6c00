/*
 * The process that `mmusim validate --host` records: it makes rounds of steps on a buffer, and no other system call from the first
 * round on. It is C because Rust has no safe call for MADV_PAGEOUT, and a process of its own, so nothing of the simulator is in its
 * recording.
 *
 *   rounds NAME SPIN ROUNDS STEP...
 *
 * NAME is what its threads are called. With SPIN 1 a second thread spins on another CPU. Steps are words, see make().
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

enum {
    PAGES = 64,
    /* So many of them are under another page table than the rest: MADV_PAGEOUT goes from table to table. */
    PAGES_FIRST_TABLE = 55,
    /* Where a mapping is placed is the kernel's business; nothing depends on it, since it is recorded. */
    TRIES = 8,
    STEPS = 16,
};

static size_t page_bytes;
static volatile unsigned char *buffer;
static atomic_bool spinning, over;

static void fail(const char *what)
{
    perror(what);
    exit(2);
}

static void pin(int cpu)
{
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    if (sched_setaffinity(0, sizeof only, &only))
        fail("sched_setaffinity");
}

/* The CPUs it may run on; returns how many there are, and the first two of them. */
static int allowed(int cpus[2])
{
    cpu_set_t set;
    int count = 0;
    if (sched_getaffinity(0, sizeof set, &set))
        fail("sched_getaffinity");
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &set) && count++ < 2)
            cpus[count - 1] = cpu;
    return count;
}

static void *spin(void *cpu)
{
    pin((int)(intptr_t)cpu);
    atomic_store(&spinning, true);
    while (!atomic_load_explicit(&over, memory_order_relaxed))
        ;
    return NULL;
}

static unsigned char *map(size_t pages)
{
    void *at = mmap(NULL, pages * page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        fail("mmap");
    return at;
}

/* Huge pages would be one step for the kernel where these rounds are about many. Not every kernel has them. */
static unsigned char *map_buffer(void)
{
    unsigned char *at = map(PAGES);
    madvise(at, PAGES * page_bytes, MADV_NOHUGEPAGE);
    return at;
}

/* Mappings are placed from the top down, so what is mapped first moves the buffer to where it lies across two page tables. */
static unsigned char *map_across_tables(void)
{
    size_t entries = page_bytes / sizeof(uint64_t);
    for (int tries = 0;; tries++) {
        unsigned char *at = map_buffer();
        size_t lower = ((uintptr_t)at / page_bytes + PAGES_FIRST_TABLE) % entries;
        if (!lower || tries == TRIES)
            return at;
        munmap(at, PAGES * page_bytes);
        map(lower);
    }
}

static void step_write(void)
{
    static unsigned char value;
    value++;
    for (size_t page = 0; page < PAGES; page++)
        buffer[page * page_bytes] = value;
}

static void step_read(void)
{
    for (size_t page = 0; page < PAGES; page++)
        (void)buffer[page * page_bytes];
}

static void step_pageout(void)
{
    if (madvise((void *)buffer, PAGES * page_bytes, MADV_PAGEOUT))
        fail("MADV_PAGEOUT");
}

static void step_protect(void)
{
    if (mprotect((void *)buffer, PAGES * page_bytes, PROT_READ))
        fail("mprotect");
}

static void step_unprotect(void)
{
    if (mprotect((void *)buffer, PAGES * page_bytes, PROT_READ | PROT_WRITE))
        fail("mprotect");
}

static void step_unmap(void)
{
    if (munmap((void *)buffer, PAGES * page_bytes))
        fail("munmap");
}

static void step_map(void)
{
    buffer = map_buffer();
}

static const struct {
    const char *name;
    void (*make)(void);
} steps[] = {
    {"write", step_write},         {"read", step_read},   {"pageout", step_pageout}, {"protect", step_protect},
    {"unprotect", step_unprotect}, {"unmap", step_unmap}, {"map", step_map},
};

static void make(int rounds, int count, char **words)
{
    void (*round[STEPS])(void);
    for (int n = 0; n < count; n++) {
        round[n] = NULL;
        for (size_t known = 0; known < sizeof steps / sizeof *steps; known++)
            if (!strcmp(words[n], steps[known].name))
                round[n] = steps[known].make;
        if (!round[n]) {
            fprintf(stderr, "no step %s\n", words[n]);
            exit(2);
        }
    }
    buffer = map_across_tables();
    /* Below it: or munmap would free a page table that nothing else needs, which is a flush of its own. */
    if (mmap(NULL, PAGES * page_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
        fail("mmap");
    while (rounds--)
        for (int n = 0; n < count; n++)
            round[n]();
}

int main(int argc, char **argv)
{
    if (argc < 5 || argc - 4 > STEPS) {
        fprintf(stderr, "usage: rounds NAME SPIN ROUNDS STEP...\n");
        return 2;
    }
    int spins = atoi(argv[2]), rounds = atoi(argv[3]), cpus[2];
    page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    if (prctl(PR_SET_NAME, argv[1]))
        fail("prctl");
    if (allowed(cpus) < 1 + spins) {
        fprintf(stderr, "a second thread needs a second CPU\n");
        return 2;
    }
    pin(cpus[0]);
    pthread_t spinner;
    if (spins) {
        if (pthread_create(&spinner, NULL, spin, (void *)(intptr_t)cpus[1])) {
            fprintf(stderr, "no second thread\n");
            return 2;
        }
        while (!atomic_load(&spinning))
            sched_yield();
    }
    make(rounds, argc - 4, argv + 4);
    atomic_store(&over, true);
    if (spins)
        pthread_join(spinner, NULL);
    return 0;
}
