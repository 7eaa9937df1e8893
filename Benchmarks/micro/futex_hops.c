// A token passes from one sleeping process to the next; each hop is a futex wake and a futex wait.
// futex_hops [--route circle|line|pair] [--processor N] [--duration-ms N]
//   circle: A, E, B and back to A: a lap is three hops       line: A, E, B, E, A: a lap is four
//   pair: A, B, A: a lap is two
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

enum { maximum_laps = 1 << 18 };

struct route {
    const char *name;
    int processes;
    int hops;
    // Who holds the token after each hop.
    int stops[4];
};

static const struct route routes[] = {
    {.name = "circle", .processes = 3, .hops = 3, .stops = {1, 2, 0}},
    {.name = "line", .processes = 3, .hops = 4, .stops = {1, 2, 1, 0}},
    {.name = "pair", .processes = 2, .hops = 2, .stops = {1, 0}},
};

// One word per process, each on its own cache line: 0 empty, 1 the token is here, 2 the run is over.
struct mailbox {
    _Alignas(64) _Atomic uint32_t word;
};

static uint32_t receive(struct mailbox *box) {
    uint32_t value;
    while ((value = atomic_load_explicit(&box->word, memory_order_acquire)) == 0)
        syscall(SYS_futex, &box->word, FUTEX_WAIT, 0, NULL, NULL, 0);
    atomic_store_explicit(&box->word, 0, memory_order_relaxed);
    return value;
}

static void give(struct mailbox *box, uint32_t value) {
    atomic_store_explicit(&box->word, value, memory_order_release);
    syscall(SYS_futex, &box->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

// Every visit of this process on the route, in order, for as many laps as come.
static void relay(const struct route *route, struct mailbox *boxes, int self) {
    for (;;)
        for (int hop = 0; hop < route->hops; hop++) {
            if (route->stops[hop] != self) continue;
            uint32_t value = receive(&boxes[self]);
            if (value == 2) return;
            give(&boxes[route->stops[(hop + 1) % route->hops]], value);
        }
}

static const struct route *route_of(int count, char **arguments) {
    const char *wanted = "circle";
    for (int index = 1; index + 1 < count; index++)
        if (strcmp(arguments[index], "--route") == 0) wanted = arguments[index + 1];
    for (size_t index = 0; index < sizeof routes / sizeof routes[0]; index++)
        if (strcmp(routes[index].name, wanted) == 0) return &routes[index];
    errx(2, "--route is circle, line or pair");
}

int main(int count, char **arguments) {
    const struct route *route = route_of(count, arguments);
    int processor = (int)option_of(count, arguments, "--processor", -1, -1, 1023);
    uint64_t duration = (uint64_t)option_of(count, arguments, "--duration-ms", 200, 1, 60000) * 1000000u;
    struct mailbox *boxes =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    double *laps = malloc(maximum_laps * sizeof *laps);
    if (boxes == MAP_FAILED || laps == NULL) err(1, "memory");
    pin_to(processor);
    for (int self = 1; self < route->processes; self++) {
        pid_t child = fork();
        if (child < 0) err(1, "fork");
        if (child > 0) continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        relay(route, boxes, self);
        _exit(0);
    }
    uint64_t begin = now_nanoseconds() + duration / 5, end = begin + duration, before = now_nanoseconds();
    size_t taken = 0;
    while (before < end && taken < maximum_laps) {
        give(&boxes[1], 1);
        receive(&boxes[0]);
        uint64_t after = now_nanoseconds();
        if (before >= begin) laps[taken++] = (double)(after - before);
        before = after;
    }
    for (int self = 1; self < route->processes; self++) give(&boxes[self], 2);
    while (wait(NULL) > 0) continue;
    if (taken == 0) errx(1, "no lap within the duration");
    qsort(laps, taken, sizeof *laps, ascending);
    double lap = laps[taken / 2];
    printf("{\"program\":\"futex_hops\",\"route\":\"%s\",\"hops\":%d,\"processor\":%d,\"laps\":%zu,"
           "\"lapNanoseconds\":{\"median\":%.1f,\"minimum\":%.1f,\"p99\":%.1f},\"hopNanoseconds\":%.1f,"
           "\"threeHopsNanoseconds\":%.1f}\n",
           route->name, route->hops, processor, taken, lap, laps[0], laps[taken * 99 / 100], lap / route->hops,
           3 * lap / route->hops);
    return 0;
}
