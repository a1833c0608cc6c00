// The program of pages.lackey.zst: 2,000 accesses over 200 pages and back and forth between 20 pages of code.
//
//   gcc -O1 -static -nostdlib -fno-pie -no-pie -fno-stack-protector -fcf-protection=none pages.c -o pages
//   env -i setarch -R valgrind --tool=lackey --trace-mem=yes --log-file=pages.lackey ./pages
//   env -i setarch -R valgrind --tool=cachegrind --cache-sim=yes --I1=65536,4,4096 --D1=262144,4,4096 --LL=524288,8,4096 ./pages
//
// The lines that valgrind itself adds keep one process id; zstd -19 makes a tenth of it.
#define PAGE 4096
static unsigned char memory[200 * PAGE] __attribute__((aligned(PAGE)));
static unsigned x = 1;

static unsigned next(void) {
    x = (unsigned)((x * 48271ul) % 2147483647ul);
    return x >> 8;
}

#define CODE(n) \
    static void __attribute__((noinline, aligned(PAGE))) code##n(volatile unsigned char *p) { \
        switch (n % 4) { \
        case 0: (void)*(volatile unsigned *)p; break; \
        case 1: *(volatile unsigned *)p = n; break; \
        case 2: __asm__ volatile("addl $1, (%0)" ::"r"(p) : "memory"); break; \
        case 3: (void)*(volatile unsigned long *)(p + PAGE - 4); break; \
        } \
    }
CODE(0) CODE(1) CODE(2) CODE(3) CODE(4) CODE(5) CODE(6) CODE(7) CODE(8) CODE(9)
CODE(10) CODE(11) CODE(12) CODE(13) CODE(14) CODE(15) CODE(16) CODE(17) CODE(18) CODE(19)
#define ENTRY(n) code##n,
static void (*const codes[])(volatile unsigned char *) = {
    ENTRY(0) ENTRY(1) ENTRY(2) ENTRY(3) ENTRY(4) ENTRY(5) ENTRY(6) ENTRY(7) ENTRY(8) ENTRY(9)
    ENTRY(10) ENTRY(11) ENTRY(12) ENTRY(13) ENTRY(14) ENTRY(15) ENTRY(16) ENTRY(17) ENTRY(18) ENTRY(19)};

void _start(void) {
    for (int i = 0; i < 2000; i++) {
        unsigned page = next() % 3 ? next() % 40 : next() % 199;
        codes[next() % 20](memory + page * PAGE);
    }
    __asm__ volatile("syscall" ::"a"(60), "D"(0));
    __builtin_unreachable();
}
