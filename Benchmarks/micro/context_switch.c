// Two processes on one processor hand a token to each other with sched_yield.
// context_switch [--processor N] [--duration-ms N]
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

enum { token_here = 0, token_there = 1, token_over = 2, trips_per_batch = 50, maximum_batches = 1 << 14 };

int main(int count, char **arguments) {
    int processor = (int)option_of(count, arguments, "--processor", 0, 0, 1023);
    uint64_t duration = (uint64_t)option_of(count, arguments, "--duration-ms", 100, 1, 60000) * 1000000u;
    static double batches[maximum_batches];
    _Atomic uint32_t *token = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (token == MAP_FAILED) err(1, "mmap");
    pin_to(processor);
    pid_t child = fork();
    if (child < 0) err(1, "fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        uint32_t holder;
        while ((holder = atomic_load(token)) != token_over) {
            if (holder == token_there) atomic_store(token, token_here);
            sched_yield();
        }
        _exit(0);
    }
    uint64_t begin = now_nanoseconds(), before = begin;
    size_t taken = 0;
    while (before - begin < duration && taken < maximum_batches) {
        for (int trip = 0; trip < trips_per_batch; trip++) {
            atomic_store(token, token_there);
            while (atomic_load(token) != token_here) sched_yield();
        }
        uint64_t after = now_nanoseconds();
        batches[taken++] = (double)(after - before) / (2.0 * trips_per_batch);
        before = after;
    }
    atomic_store(token, token_over);
    wait(NULL);
    qsort(batches, taken, sizeof *batches, ascending);
    printf("{\"program\":\"context_switch\",\"processor\":%d,\"batches\":%zu,"
           "\"switchNanoseconds\":{\"median\":%.1f,\"minimum\":%.1f,\"maximum\":%.1f}}\n",
           processor, taken, batches[taken / 2], batches[0], batches[taken - 1]);
    return 0;
}
