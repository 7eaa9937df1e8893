// What is not a transfer in itself: fence, solicited events, flush, and a queue pair that is used again.

#include "verify.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { ANY_OPCODE = -1, QUIET_MILLISECONDS = 200, FLUSHED = 1u << IBV_WC_WR_FLUSH_ERR, FINE = 1u << IBV_WC_SUCCESS };
enum { FLUSHED_REQUESTS = 20, FLUSHED_RECEIVES = 24, MESSAGE_BYTES = 100 };

static uint64_t next_id(struct lane *lane)
{
    return (uint64_t)lane->index << 32 | (uint32_t)lane->next_wr_id++;
}

static bool receive_into(struct session *session, struct group *group, struct lane *lane, uint64_t at, uint32_t length,
                         struct expectation expected)
{
    struct ibv_sge element = {.addr = (uintptr_t)session->in.base + at, .length = length,
                              .lkey = session->in.region->lkey};
    struct ibv_recv_wr request = {.wr_id = next_id(lane), .sg_list = &element, .num_sge = 1};
    struct ibv_recv_wr *bad = NULL;
    expected.wr_id = request.wr_id;
    if (expected.statuses != 0) expect_receive(group, lane, expected);
    int error = ibv_post_recv(lane->qp, &request, &bad);
    return error == 0 || fail(session, "posting a receive: %s", strerror(error));
}

static struct expectation message_of(uint32_t length)
{
    return (struct expectation){.statuses = FINE, .opcode = IBV_WC_RECV, .byte_len = length};
}

// Slot 0 of IN is where the READ puts the peer's data; slot 1 is where the peer's echo of our own data arrives.
struct echo {
    struct layout read;
    struct layout received;
    uint64_t keys[2];
    uint64_t background;
};

static bool post_read_and_send(struct session *session, struct group *group, const struct echo *echo, uint32_t size)
{
    struct lane *lane = &group->lanes[0];
    struct ibv_sge element = {.addr = (uintptr_t)session->in.base + echo->read.pieces[0].at, .length = size,
                              .lkey = session->in.region->lkey};
    struct ibv_send_wr send = {.wr_id = 1, .sg_list = &element, .num_sge = 1, .opcode = IBV_WR_SEND,
                               .send_flags = IBV_SEND_SIGNALED | IBV_SEND_FENCE};
    struct ibv_send_wr read = {.next = &send, .sg_list = &element, .num_sge = 1, .opcode = IBV_WR_RDMA_READ,
                               .send_flags = IBV_SEND_SIGNALED};
    struct ibv_send_wr *bad = NULL;
    read.wr_id = next_id(lane);
    send.wr_id = next_id(lane);
    read.wr.rdma.remote_addr = session->theirs.out_address + echo->read.pieces[0].at;
    read.wr.rdma.rkey = session->theirs.out_key;
    expect_send(group, lane, read.wr_id, FINE, IBV_WC_RDMA_READ, size);
    expect_send(group, lane, send.wr_id, FINE, IBV_WC_SEND, -1);
    session->messages += 2;
    session->bytes += 2 * (uint64_t)size;
    int error = ibv_post_send(lane->qp, &read, &bad);
    return error == 0 || fail(session, "posting READ and fenced SEND: %s", strerror(error));
}

static bool fence_once(struct session *session, struct group *group, uint32_t size, uint32_t iteration)
{
    struct echo echo;
    uint64_t key = key_of(key_of(session->case_key, size), iteration);
    int me = session->side;
    echo.keys[0] = key_of(key, 1);
    echo.keys[1] = key_of(key, 2);
    echo.background = key_of(key, 3);
    place(&echo.read, key_of(key, 4), 0, size, 1);
    place(&echo.received, key_of(key, 5), slot_stride(size), size, 1);
    fill_slot(&session->out, &echo.read, echo.background, &echo.keys[me]);
    fill_slot(&session->in, &echo.read, echo.background, NULL);
    fill_slot(&session->in, &echo.received, echo.background, NULL);
    if (!receive_into(session, group, &group->lanes[0], echo.received.pieces[0].at, size, message_of(size)) ||
        !meet(session, "receives are posted") || !post_read_and_send(session, group, &echo, size) ||
        !collect(session, group, "READ and fenced SEND") || !meet(session, "both are complete")) {
        return false;
    }
    return check_slot(session, "what was read", &session->in, &echo.read, echo.background, echo.keys[1 - me]) &&
           check_slot(session, "what the fenced SEND brought back", &session->in, &echo.received, echo.background,
                      echo.keys[me]) &&
           check_slot(session, "what was read from", &session->out, &echo.read, echo.background, echo.keys[me]) &&
           meet(session, "all bytes are checked");
}

bool run_fence(struct session *session, const uint32_t *sizes, int count)
{
    struct group group;
    bool ok = group_open(session, &group, 1, &USUAL_LANES);
    for (int i = 0; ok && i < count; i++) {
        for (uint32_t round = 0; ok && round < session->plan.iterations; round++) {
            ok = fence_once(session, &group, sizes[i], round);
        }
    }
    return group_close(session, &group) && ok;
}

static bool send_from(struct session *session, struct group *group, enum ibv_wr_opcode opcode, unsigned flags)
{
    struct lane *lane = &group->lanes[0];
    struct ibv_sge element = {.addr = (uintptr_t)session->out.base, .length = MESSAGE_BYTES,
                              .lkey = session->out.region->lkey};
    struct ibv_send_wr request = {.wr_id = next_id(lane), .sg_list = &element, .num_sge = 1, .opcode = opcode,
                                  .send_flags = IBV_SEND_SIGNALED | flags, .imm_data = htonl(7)};
    struct ibv_send_wr *bad = NULL;
    request.wr.rdma.remote_addr = session->theirs.in_address;
    request.wr.rdma.rkey = session->theirs.in_key;
    if (opcode == IBV_WR_SEND) memset(&request.wr, 0, sizeof request.wr);
    expect_send(group, lane, request.wr_id, FINE, opcode == IBV_WR_SEND ? IBV_WC_SEND : IBV_WC_RDMA_WRITE, -1);
    session->messages++;
    session->bytes += MESSAGE_BYTES;
    int error = ibv_post_send(lane->qp, &request, &bad);
    return error == 0 || fail(session, "posting a request: %s", strerror(error));
}

// One message of the solicited operation, and whether it must wake a receiver that waits for solicited ones only.
struct solicitation {
    const char *name;
    enum ibv_wr_opcode opcode;
    unsigned flags;
    bool arms;
    bool wakes;
};

static const struct solicitation solicitations[] = {
    {"an unsolicited SEND", IBV_WR_SEND, 0, true, false},
    {"an unsolicited WRITE with immediate", IBV_WR_RDMA_WRITE_WITH_IMM, 0, false, false},
    {"a solicited SEND", IBV_WR_SEND, IBV_SEND_SOLICITED, false, true},
    {"a solicited SEND to a queue that is no longer armed", IBV_WR_SEND, IBV_SEND_SOLICITED, false, false},
    {"a solicited WRITE with immediate", IBV_WR_RDMA_WRITE_WITH_IMM, IBV_SEND_SOLICITED, true, true},
    {"an unsolicited SEND once more", IBV_WR_SEND, 0, true, false},
};

static bool check_event(struct session *session, struct group *group, const char *name, bool wakes)
{
    int milliseconds = wakes ? (int)session->plan.timeout_seconds * 1000 : QUIET_MILLISECONDS;
    int ready = poll_fd(session, group->channel->fd, milliseconds);
    if (ready < 0) return false;
    if (!wakes) return ready == 0 || fail(session, "there is an event for %s", name);
    if (ready == 0) return fail(session, "there is no event for %s", name);
    struct ibv_cq *queue = NULL;
    void *context = NULL;
    if (ibv_get_cq_event(group->channel, &queue, &context) != 0) return fail(session, "no event: %s", strerror(errno));
    if (queue != group->receive_cq) return fail(session, "an event of the wrong completion queue for %s", name);
    group->unacknowledged_receive++;
    return true;
}

static bool arm_solicited(struct session *session, struct group *group)
{
    int error = ibv_req_notify_cq(group->receive_cq, 1);
    return error == 0 || fail(session, "arming for solicited completions: %s", strerror(error));
}

// Both sides send and both wait; the events are looked at before the completions are taken.
static bool solicit_once(struct session *session, struct group *group, const struct solicitation *each)
{
    struct expectation expected = message_of(MESSAGE_BYTES);
    if (each->opcode != IBV_WR_SEND) {
        expected.opcode = IBV_WC_RECV_RDMA_WITH_IMM;
        expected.has_immediate = true;
        expected.immediate = 7;
    }
    if (!receive_into(session, group, &group->lanes[0], 4096, MESSAGE_BYTES, expected)) return false;
    if (each->arms && !arm_solicited(session, group)) return false;
    if (!meet(session, each->name) || !send_from(session, group, each->opcode, each->flags)) return false;
    if (!check_event(session, group, each->name, each->wakes)) return false;
    return collect(session, group, each->name) && meet(session, "the messages have come");
}

// An error wakes the receiver as if it were solicited.
static bool solicit_error(struct session *session, struct group *group)
{
    struct expectation expected = {.statuses = FLUSHED};
    struct lane *lane = &group->lanes[0];
    if (!arm_solicited(session, group) || !receive_into(session, group, lane, 4096, MESSAGE_BYTES, expected) ||
        !meet(session, "armed before an error") || !lane_to_state(session, lane, IBV_QPS_ERR)) {
        return false;
    }
    return check_event(session, group, "a receive that is flushed", true) && collect(session, group, "flushed receive");
}

bool run_solicited(struct session *session)
{
    struct group group;
    // The channel is needed also when the other operations poll; collect() must not sleep here, for that would arm.
    bool events = session->options.events;
    session->options.events = true;
    bool ok = group_open(session, &group, 1, &USUAL_LANES);
    session->options.events = false;
    for (size_t i = 0; ok && i < sizeof solicitations / sizeof *solicitations; i++) {
        ok = solicit_once(session, &group, &solicitations[i]);
    }
    ok = ok && solicit_error(session, &group);
    session->options.events = events;
    return group_close(session, &group) && ok;
}

// The peer posts no receive, so that nothing completes until the queue pair is moved to ERR.
static bool post_stuck(struct session *session, struct group *group)
{
    struct lane *lane = &group->lanes[0];
    struct ibv_sge element = {.addr = (uintptr_t)session->out.base, .length = MESSAGE_BYTES,
                              .lkey = session->out.region->lkey};
    for (int i = 0; i < FLUSHED_REQUESTS; i++) {
        // Only the first one is a SEND that waits for a receive; those behind it must wait for it.
        struct ibv_send_wr request = {.wr_id = next_id(lane), .sg_list = &element, .num_sge = 1,
                                      .opcode = i % 3 == 0 ? IBV_WR_SEND : IBV_WR_RDMA_WRITE};
        struct ibv_send_wr *bad = NULL;
        request.send_flags = i % 2 == 0 ? IBV_SEND_SIGNALED : 0;
        request.wr.rdma.remote_addr = session->theirs.in_address;
        request.wr.rdma.rkey = session->theirs.in_key;
        expect_send(group, lane, request.wr_id, FLUSHED, ANY_OPCODE, -1);
        int error = ibv_post_send(lane->qp, &request, &bad);
        if (error != 0) return fail(session, "posting request %d: %s", i, strerror(error));
        session->messages++;
    }
    return true;
}

static bool check_in_error(struct session *session, struct lane *lane)
{
    struct ibv_qp_attr attributes;
    struct ibv_qp_init_attr initial;
    int error = ibv_query_qp(lane->qp, &attributes, IBV_QP_STATE, &initial);
    if (error != 0) return fail(session, "querying a queue pair: %s", strerror(error));
    return attributes.qp_state == IBV_QPS_ERR ||
           fail(session, "the queue pair is in state %d instead of ERR", attributes.qp_state);
}

static bool flush_requests(struct session *session, struct group *group)
{
    struct lane *lane = &group->lanes[0];
    return lane_to_state(session, lane, IBV_QPS_ERR) && collect(session, group, "flush of requests") &&
           check_in_error(session, lane) && post_stuck(session, group) &&
           collect(session, group, "flush of requests that were posted in ERR") && meet(session, "flushed");
}

// Not before the peer's requests are gone: one that is sent again would find a receive.
static bool flush_receives(struct session *session, struct group *group)
{
    struct lane *lane = &group->lanes[0];
    if (!meet(session, "flushed")) return false;
    for (int i = 0; i < FLUSHED_RECEIVES; i++) {
        struct expectation flushed = {.statuses = FLUSHED};
        if (!receive_into(session, group, lane, 0, MESSAGE_BYTES, flushed)) return false;
    }
    return lane_to_state(session, lane, IBV_QPS_ERR) && collect(session, group, "flush of receives") &&
           check_in_error(session, lane);
}

static bool flush_from(struct session *session, struct group *group, int requester)
{
    bool requests = session->side == requester;
    if (requests && !post_stuck(session, group)) return false;
    return meet(session, "requests are stuck") && meet(session, "nothing has completed") &&
           (requests ? flush_requests(session, group) : flush_receives(session, group)) && is_quiet(session, group);
}

bool run_flush(struct session *session)
{
    bool ok = true;
    for (int requester = 0; ok && requester < 2; requester++) {
        struct group group;
        ok = group_open(session, &group, 1, &USUAL_LANES) && flush_from(session, &group, requester);
        ok = group_close(session, &group) && ok;
    }
    return ok;
}

// A queue pair that was in ERR goes through RESET to RTS again and works; nothing of its first life comes back.
static bool live_again(struct session *session, struct group *group, uint32_t life)
{
    struct lane *lane = &group->lanes[0];
    uint64_t key = key_of(session->case_key, life);
    int me = session->side;
    fill(key_of(key, (uint64_t)me), 0, session->out.base, MESSAGE_BYTES);
    fill(key, 0, session->in.base + 4096, 4096);
    if (!receive_into(session, group, lane, 4096, MESSAGE_BYTES, message_of(MESSAGE_BYTES)) ||
        !receive_into(session, group, lane, 6000, MESSAGE_BYTES, (struct expectation){.statuses = FLUSHED}) ||
        !meet(session, "receives are posted") || !send_from(session, group, IBV_WR_SEND, 0)) {
        return false;
    }
    // One receive of the two is left for the flush.
    group->outstanding--;
    bool came = collect(session, group, "SEND in a new life");
    group->outstanding++;
    if (!came || !meet(session, "the messages have come")) return false;
    if (!matches(session, "the message", key_of(key, (uint64_t)(1 - me)), 0, session->in.base + 4096, MESSAGE_BYTES) ||
        !matches(session, "bytes after the message", key, MESSAGE_BYTES, session->in.base + 4096 + MESSAGE_BYTES,
                 4096 - MESSAGE_BYTES)) {
        return false;
    }
    return lane_to_state(session, lane, IBV_QPS_ERR) && collect(session, group, "flush at the end of a life") &&
           lane_to_state(session, lane, IBV_QPS_RESET) && meet(session, "both are in RESET");
}

bool run_recover(struct session *session)
{
    struct group group;
    bool ok = group_open(session, &group, 1, &USUAL_LANES);
    for (uint32_t life = 0; ok && life < session->plan.iterations + 1; life++) {
        ok = (life == 0 || group_connect(session, &group, &USUAL_LANES)) && live_again(session, &group, life);
    }
    return group_close(session, &group) && ok;
}
