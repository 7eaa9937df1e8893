// The plan: which cases run, in which order, on both sides.

#include "verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HELLO = 0x76726679, LOWEST_ARENA = 64 << 10, BYTES_PER_QUEUE_PAIR = 256 };

static const uint32_t range_ends[] = {0, 255, 4097, 65537, UINT32_MAX};
static bool has_totals;

struct hello {
    uint32_t magic;
    uint32_t plan_bytes;
    struct plan plan;
};

// Sizes of one line of the report.
struct range {
    char name[48];
    uint32_t sizes[MAX_SIZES + 1];
    int count;
};

static void agree_on_plan(struct session *session)
{
    struct hello mine = {.magic = HELLO, .plan_bytes = sizeof(struct plan), .plan = session->options.plan};
    struct hello theirs;
    session->plan = session->options.plan;
    bool ok = exchange(session, "the plan", &mine, &theirs, sizeof mine);
    if (!ok || theirs.magic != HELLO || theirs.plan_bytes != sizeof(struct plan)) {
        fprintf(stderr, "verify: the peer is another version of this program\n");
        exit(1);
    }
    if (session->side == 0) session->plan = theirs.plan;
    printf("seed %" PRIu64 "\n", session->plan.seed);
}

static size_t arena_size(const struct plan *plan)
{
    uint64_t size = LOWEST_ARENA + (uint64_t)plan->queue_pairs * BYTES_PER_QUEUE_PAIR;
    for (uint32_t i = 0; i < plan->size_count; i++) {
        uint64_t stride = slot_stride(plan->sizes[i]);
        uint64_t transfers = lanes_for(plan, plan->sizes[i]) * depth_for(plan->sizes[i]) * stride;
        if (transfers > size) size = transfers;
        if (2 * stride > size) size = 2 * stride;
    }
    return (size + 4095) / 4096 * 4096;
}

static uint64_t key_of_title(const struct session *session, uint32_t pass, const char *title)
{
    uint64_t key = key_of(session->plan.seed, pass);
    while (*title != 0) key = key_of(key, (uint64_t)*title++);
    return key;
}

static void begin_case(struct session *session, uint32_t pass, const char *title)
{
    say(session, "case %s", title);
    session->failed = false;
    session->messages = 0;
    session->bytes = 0;
    session->case_key = key_of_title(session, pass, title);
}

static void conclude(struct session *session, const char *title, bool ok)
{
    ok = end_case(session, ok);
    report_case(session, title, ok);
    if (!ok && session->options.stop) exit(1);
}

static uint32_t common_inline(const struct session *session)
{
    uint32_t mine = session->mine.inline_bytes;
    uint32_t theirs = session->theirs.inline_bytes;
    return mine < theirs ? mine : theirs;
}

static void choose_sizes(const struct session *session, int operation, size_t index, struct range *range)
{
    uint32_t first = index == 0 ? 0 : range_ends[index - 1] + 1;
    uint32_t limit = operation == OP_INLINE ? common_inline(session) : UINT32_MAX;
    range->count = 0;
    for (uint32_t i = 0; i < session->plan.size_count; i++) {
        uint32_t size = session->plan.sizes[i];
        if (size >= first && size <= range_ends[index] && size <= limit) range->sizes[range->count++] = size;
    }
    bool limit_is_here = limit >= first && limit <= range_ends[index] && limit > 0;
    if (operation == OP_INLINE && limit_is_here) range->sizes[range->count++] = limit;
    if (range->count == 0) return;
    uint32_t last = range->sizes[range->count - 1];
    if (range->count == 1) {
        snprintf(range->name, sizeof range->name, "%s, %u bytes", operation_name(operation), last);
    } else {
        snprintf(range->name, sizeof range->name, "%s, %u to %u bytes", operation_name(operation), range->sizes[0],
                 last);
    }
}

static void run_ranges(struct session *session, uint32_t pass, int operation)
{
    for (size_t index = 0; index < sizeof range_ends / sizeof *range_ends; index++) {
        struct range range;
        choose_sizes(session, operation, index, &range);
        if (range.count == 0) continue;
        begin_case(session, pass, range.name);
        bool ok = operation == OP_FENCE ? run_fence(session, range.sizes, range.count)
                                        : run_transfers(session, operation, range.sizes, range.count);
        conclude(session, range.name, ok);
    }
}

static bool both_have_atomics(const struct session *session)
{
    return session->mine.has_atomics && session->theirs.has_atomics;
}

static void run_errors(struct session *session, uint32_t pass)
{
    for (int i = 0; i < error_case_count(); i++) {
        if (error_case_needs_atomics(i) && !both_have_atomics(session)) continue;
        for (int requester = 0; requester < 2; requester++) {
            char title[96];
            snprintf(title, sizeof title, "errors, side %d: %s", requester, error_case_name(i));
            begin_case(session, pass, title);
            bool ok = run_error(session, i, requester);
            conclude(session, title, ok);
        }
    }
}

static void run_single(struct session *session, uint32_t pass, int operation)
{
    const char *name = operation_name(operation);
    bool is_atomic = operation == OP_FETCH_ADD || operation == OP_COMPARE_SWAP;
    if (is_atomic && !both_have_atomics(session)) {
        if (pass == 0) report_skip(name, "a device has no atomic operations");
        return;
    }
    begin_case(session, pass, name);
    bool ok = false;
    switch (operation) {
    case OP_FETCH_ADD: ok = run_fetch_add(session); break;
    case OP_COMPARE_SWAP: ok = run_compare_swap(session); break;
    case OP_SOLICITED: ok = run_solicited(session); break;
    case OP_FLUSH: ok = run_flush(session); break;
    default: ok = run_recover(session); break;
    }
    conclude(session, name, ok);
}

static void run_pass(struct session *session, uint32_t pass)
{
    for (int operation = 0; operation < OP_COUNT; operation++) {
        if ((session->plan.operations >> operation & 1) == 0) continue;
        if (operation <= OP_MIXED || operation == OP_FENCE) {
            run_ranges(session, pass, operation);
        } else if (operation == OP_ERRORS) {
            run_errors(session, pass);
        } else {
            run_single(session, pass, operation);
        }
    }
}

// The connecting side has the clock.
static bool goes_on(struct session *session, double started)
{
    uint8_t mine = now_seconds() - started < session->options.duration_seconds;
    uint8_t theirs = 0;
    session->failed = false;
    if (!exchange(session, "whether to repeat", &mine, &theirs, 1)) return false;
    return session->side == 1 ? mine : theirs;
}

// Also a program that gives up in the middle ends with a line that says so.
static void print_unfinished(void)
{
    if (!has_totals) printf("0 passed, 1 failed (not finished)\n");
}

int main(int argc, char **argv)
{
    static struct session session;
    parse_options(&session.options, argc, argv);
    session.plan = session.options.plan;
    atexit(print_unfinished);
    device_open(&session);
    wire_open(&session);
    agree_on_plan(&session);
    if (!arenas_open(&session, arena_size(&session.plan))) {
        fprintf(stderr, "verify: %s\n", session.failure);
        return 1;
    }
    double started = now_seconds();
    uint32_t pass = 0;
    do {
        run_pass(&session, pass++);
    } while (goes_on(&session, started));
    device_close(&session);
    say(&session, "%u passes", pass);
    has_totals = true;
    return report_totals(&session);
}
