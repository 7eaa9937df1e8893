// Atomic operations: counters to which several queue pairs add at once, and a lock that they contend for.

#include "verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { ADDS_PER_LANE = MAX_DEPTH, COUNTER_AT = 64, VALUE_AT = 256, RESULTS_AT = 64, RESULT_STRIDE = 16, TURNS = 6,
       MAX_CONTENDERS = 16 };

static uint64_t *word(const struct arena *arena, uint64_t at)
{
    return (uint64_t *)(void *)(arena->base + at);
}

static uint64_t result_at(uint32_t lane, uint32_t index)
{
    return RESULTS_AT + ((uint64_t)lane * ADDS_PER_LANE + index) * RESULT_STRIDE;
}

static uint32_t lanes_of(const struct session *session)
{
    // Without a second requester nothing would be shown.
    return session->plan.queue_pairs < 2 ? 2 : session->plan.queue_pairs;
}

static bool post(struct session *session, struct group *group, struct lane *lane, struct ibv_send_wr *request,
                 uint64_t local_at, uint64_t remote_at)
{
    static const int opcodes[] = {[IBV_WR_ATOMIC_FETCH_AND_ADD] = IBV_WC_FETCH_ADD,
                                  [IBV_WR_ATOMIC_CMP_AND_SWP] = IBV_WC_COMP_SWAP,
                                  [IBV_WR_RDMA_READ] = IBV_WC_RDMA_READ, [IBV_WR_RDMA_WRITE] = IBV_WC_RDMA_WRITE};
    struct ibv_sge element = {.addr = (uintptr_t)session->out.base + local_at, .length = 8,
                              .lkey = session->out.region->lkey};
    struct ibv_send_wr *bad = NULL;
    request->wr_id = (uint64_t)lane->index << 32 | (uint32_t)lane->next_wr_id++;
    request->sg_list = &element;
    request->num_sge = 1;
    request->send_flags = IBV_SEND_SIGNALED;
    // The remote address and key are at other places in the union for atomics.
    if (request->opcode == IBV_WR_RDMA_READ || request->opcode == IBV_WR_RDMA_WRITE) {
        request->wr.rdma.remote_addr = session->theirs.in_address + remote_at;
        request->wr.rdma.rkey = session->theirs.in_key;
    } else {
        request->wr.atomic.remote_addr = session->theirs.in_address + remote_at;
        request->wr.atomic.rkey = session->theirs.in_key;
    }
    bool has_length = request->opcode != IBV_WR_RDMA_WRITE;
    expect_send(group, lane, request->wr_id, 1u << IBV_WC_SUCCESS, opcodes[request->opcode], has_length ? 8 : -1);
    session->messages++;
    session->bytes += 8;
    int error = ibv_post_send(lane->qp, request, &bad);
    return error == 0 || fail(session, "posting an atomic (opcode %d): %s", request->opcode, strerror(error));
}

// The inverse of an odd number modulo 2^64, by Newton's method.
static uint64_t inverse(uint64_t odd)
{
    uint64_t result = odd;
    for (int i = 0; i < 6; i++) result *= 2 - odd * result;
    return result;
}

struct addition {
    uint64_t key;
    uint64_t first[2];
    uint64_t step;
};

// Each value that was returned tells how many additions came before; each number must come once, and on one queue pair
// they must rise.
static bool check_returned(struct session *session, const struct addition *addition, uint32_t lanes)
{
    uint32_t total = lanes * ADDS_PER_LANE;
    bool *seen = calloc(total, sizeof *seen);
    bool ok = seen != NULL || fail(session, "no memory");
    for (uint32_t i = 0; ok && i < total; i++) {
        uint64_t value = *word(&session->out, result_at(i / ADDS_PER_LANE, i % ADDS_PER_LANE));
        uint64_t before = (value - addition->first[1 - session->side]) * inverse(addition->step);
        if (before >= total) {
            ok = fail(session, "fetch-add returned 0x%" PRIx64 ", which the counter never was", value);
        } else if (seen[before]) {
            ok = fail(session, "fetch-add returned 0x%" PRIx64 " twice", value);
        } else {
            seen[before] = true;
        }
        bool is_first = i % ADDS_PER_LANE == 0;
        if (!ok || is_first) continue;
        uint64_t earlier = *word(&session->out, result_at(i / ADDS_PER_LANE, i % ADDS_PER_LANE - 1));
        earlier = (earlier - addition->first[1 - session->side]) * inverse(addition->step);
        if (before < earlier) ok = fail(session, "fetch-adds of one queue pair were done out of order");
    }
    free(seen);
    return ok;
}

static bool check_counter(struct session *session, const struct addition *addition, uint32_t lanes)
{
    uint64_t expected = addition->first[session->side] + addition->step * lanes * ADDS_PER_LANE;
    uint64_t found = *word(&session->in, COUNTER_AT);
    if (found != expected) {
        return fail(session, "the counter is 0x%" PRIx64 " instead of 0x%" PRIx64, found, expected);
    }
    if (!matches(session, "bytes before the counter", addition->key, 0, session->in.base, COUNTER_AT) ||
        !matches(session, "bytes after the counter", addition->key, COUNTER_AT + 8, session->in.base + COUNTER_AT + 8,
                 128)) {
        return false;
    }
    for (uint32_t i = 0; i < lanes * ADDS_PER_LANE; i++) {
        uint64_t at = result_at(i / ADDS_PER_LANE, i % ADDS_PER_LANE) + 8;
        if (!matches(session, "bytes after a result", addition->key, at, session->out.base + at, 8)) return false;
    }
    return true;
}

static bool add_once(struct session *session, struct group *group, uint32_t iteration)
{
    struct addition addition = {.key = key_of(session->case_key, iteration)};
    addition.step = key_of(addition.key, 1) | 1;
    addition.first[0] = key_of(addition.key, 2);
    addition.first[1] = key_of(addition.key, 3);
    fill(addition.key, 0, session->in.base, 512);
    fill(addition.key, 0, session->out.base, result_at(group->count, 0));
    *word(&session->in, COUNTER_AT) = addition.first[session->side];
    if (!meet(session, "the counters are set")) return false;
    for (uint32_t index = 0; index < ADDS_PER_LANE; index++) {
        for (uint32_t lane = 0; lane < group->count; lane++) {
            struct ibv_send_wr request = {.opcode = IBV_WR_ATOMIC_FETCH_AND_ADD};
            request.wr.atomic.compare_add = addition.step;
            if (!post(session, group, &group->lanes[lane], &request, result_at(lane, index), COUNTER_AT)) return false;
        }
    }
    return collect(session, group, "fetch-add") && meet(session, "all additions are done") &&
           check_returned(session, &addition, group->count) && check_counter(session, &addition, group->count) &&
           meet(session, "the counters are checked");
}

bool run_fetch_add(struct session *session)
{
    struct group group;
    bool ok = group_open(session, &group, lanes_of(session), &USUAL_LANES);
    for (uint32_t i = 0; ok && i < session->plan.iterations; i++) ok = add_once(session, &group, i);
    return group_close(session, &group) && ok;
}

// The lock: 0 is free, otherwise the holder's number. The value beside it is only changed by the holder, by READ and
// WRITE, so that a lock that two hold loses an increment.
struct contention {
    uint32_t remaining[MAX_CONTENDERS];
    int holder;
};

static bool post_attempt(struct session *session, struct group *group, uint32_t lane, uint64_t from, uint64_t to)
{
    struct ibv_send_wr request = {.opcode = IBV_WR_ATOMIC_CMP_AND_SWP};
    request.wr.atomic.compare_add = from;
    request.wr.atomic.swap = to;
    return post(session, group, &group->lanes[lane], &request, result_at(lane, 0), COUNTER_AT);
}

static bool post_value(struct session *session, struct group *group, uint32_t lane, enum ibv_wr_opcode opcode)
{
    struct ibv_send_wr request = {.opcode = opcode};
    return post(session, group, &group->lanes[lane], &request, result_at(lane, 1), VALUE_AT);
}

static bool others_try(struct session *session, struct group *group, const struct contention *contention)
{
    for (uint32_t lane = 0; lane < group->count; lane++) {
        if ((int)lane == contention->holder || contention->remaining[lane] == 0) continue;
        if (!post_attempt(session, group, lane, 0, lane + 1)) return false;
    }
    return true;
}

// After all attempts have completed: who has the lock, and what did the others see?
static bool find_holder(struct session *session, struct group *group, struct contention *contention, int known)
{
    for (uint32_t lane = 0; lane < group->count; lane++) {
        if ((int)lane == known || contention->remaining[lane] == 0) continue;
        uint64_t seen = *word(&session->out, result_at(lane, 0));
        if (seen > group->count) return fail(session, "compare-and-swap returned 0x%" PRIx64 " of a lock", seen);
        if (seen != 0) continue;
        if (contention->holder >= 0) return fail(session, "two queue pairs hold the lock at once");
        contention->holder = (int)lane;
    }
    return true;
}

// The holder increments while the others go on trying; it lets go with a compare-and-swap that must succeed.
static bool hold_and_release(struct session *session, struct group *group, struct contention *contention)
{
    uint32_t holder = (uint32_t)contention->holder;
    if (!post_value(session, group, holder, IBV_WR_RDMA_READ) || !others_try(session, group, contention) ||
        !collect(session, group, "READ by the holder of the lock") ||
        !find_holder(session, group, contention, (int)holder)) {
        return false;
    }
    *word(&session->out, result_at(holder, 1)) += 1;
    if (!post_value(session, group, holder, IBV_WR_RDMA_WRITE) ||
        !post_attempt(session, group, holder, holder + 1, 0) || !others_try(session, group, contention) ||
        !collect(session, group, "WRITE and release by the holder of the lock")) {
        return false;
    }
    uint64_t seen = *word(&session->out, result_at(holder, 0));
    if (seen != holder + 1) return fail(session, "the lock was 0x%" PRIx64 " when its holder released it", seen);
    contention->remaining[holder]--;
    contention->holder = -1;
    return find_holder(session, group, contention, (int)holder);
}

static bool lock_in_turn(struct session *session, struct group *group)
{
    struct contention contention = {.holder = -1};
    uint32_t left = group->count * TURNS;
    for (uint32_t lane = 0; lane < group->count; lane++) contention.remaining[lane] = TURNS;
    while (left > 0) {
        if (contention.holder < 0) {
            if (!others_try(session, group, &contention) || !collect(session, group, "compare-and-swap") ||
                !find_holder(session, group, &contention, -1)) {
                return false;
            }
            if (contention.holder < 0) return fail(session, "nobody got a lock that was free");
        }
        if (!hold_and_release(session, group, &contention)) return false;
        left--;
    }
    return true;
}

bool run_compare_swap(struct session *session)
{
    struct group group;
    uint32_t lanes = lanes_of(session) < MAX_CONTENDERS ? lanes_of(session) : MAX_CONTENDERS;
    bool ok = group_open(session, &group, lanes, &USUAL_LANES);
    fill(session->case_key, 0, session->in.base, 512);
    *word(&session->in, COUNTER_AT) = 0;
    *word(&session->in, VALUE_AT) = 0;
    ok = ok && meet(session, "the locks are free") && lock_in_turn(session, &group) &&
         meet(session, "the locks are free again");
    uint64_t value = *word(&session->in, VALUE_AT);
    if (ok && value != lanes * TURNS) {
        ok = fail(session, "%" PRIu64 " increments under the lock instead of %u", value, lanes * TURNS);
    }
    if (ok && *word(&session->in, COUNTER_AT) != 0) ok = fail(session, "the lock is still held");
    ok = ok && matches(session, "bytes before the lock", session->case_key, 0, session->in.base, COUNTER_AT);
    return group_close(session, &group) && ok;
}
