// The program of threads.strace and threads.ftrace: three threads that write pages and take rights away, at the same time.
//
//   gcc -O1 -pthread threads.c -o threads
//   strace -f -ttt -T -e trace=%memory,%process -o threads.strace ./threads
#include <pthread.h>
#include <sys/mman.h>
#define PAGES 8
static pthread_barrier_t barrier;
static void *work(void *unused) {
    (void)unused;
    pthread_barrier_wait(&barrier);
    for (int round = 0; round < 2; round++) {
        char *memory = mmap(0, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (int i = 0; i < PAGES; i++) memory[i * 4096] = 1;
        mprotect(memory, PAGES * 4096, PROT_READ);
        munmap(memory, PAGES * 4096);
    }
    return 0;
}
int main(void) {
    pthread_t threads[2];
    pthread_barrier_init(&barrier, 0, 3);
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], 0, work, 0);
    work(0);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], 0);
    return 0;
}
