// Waiting for completions, polling or blocking, and comparing each with what is expected.

#include "verify.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <string.h>

enum { POLL_BATCH = 16, TURNS_BETWEEN_LOOKS = 256, NAP_MILLISECONDS = 200, LOST_MILLISECONDS = 10000 };

static void push(struct group *group, struct expectation_queue *queue, struct expectation expectation)
{
    queue->entries[queue->tail++ % LANE_QUEUE] = expectation;
    group->outstanding++;
}

void expect_send(struct group *group, struct lane *lane, uint64_t wr_id, uint32_t statuses, int opcode,
                 int64_t byte_len)
{
    push(group, &lane->send, (struct expectation){.wr_id = wr_id, .statuses = statuses, .opcode = opcode,
                                                  .byte_len = byte_len});
}

void expect_receive(struct group *group, struct lane *lane, struct expectation expectation)
{
    push(group, &lane->receive, expectation);
}

static bool check_success(struct session *session, const struct ibv_wc *wc, const struct expectation *expected,
                          bool is_receive)
{
    if ((int)wc->opcode != expected->opcode) {
        return fail(session, "a completion has opcode %d instead of %d", wc->opcode, expected->opcode);
    }
    if (expected->byte_len >= 0 && wc->byte_len != expected->byte_len) {
        return fail(session, "a completion (opcode %d) has %u bytes instead of %" PRId64, wc->opcode, wc->byte_len,
                    expected->byte_len);
    }
    // Requests' completions may have the flag too (rxe sets it); it has no meaning there.
    if (!is_receive) return true;
    // IBV_WC_GRH is no error: rxe sets it in every receive.
    bool has_immediate = (wc->wc_flags & IBV_WC_WITH_IMM) != 0;
    if (has_immediate != expected->has_immediate || (wc->wc_flags & IBV_WC_WITH_INV) != 0) {
        return fail(session, "a receive has wc_flags 0x%x, immediate data %s expected", wc->wc_flags,
                    expected->has_immediate ? "is" : "is not");
    }
    if (has_immediate && be32toh(wc->imm_data) != expected->immediate) {
        return fail(session, "immediate data is 0x%08x instead of 0x%08x", be32toh(wc->imm_data), expected->immediate);
    }
    return true;
}

// The index of the lane is in the upper half of the identifier.
bool take_one(struct session *session, struct group *group, struct ibv_cq *queue, const struct ibv_wc *wc)
{
    bool is_receive = queue == group->receive_cq;
    const char *name = is_receive ? "receive" : "request";
    uint64_t index = wc->wr_id >> 32;
    if (index >= group->count) return fail(session, "a %s has the unknown wr_id 0x%" PRIx64, name, wc->wr_id);
    struct lane *lane = &group->lanes[index];
    struct expectation_queue *expectations = is_receive ? &lane->receive : &lane->send;
    if (wc->qp_num != lane->qp->qp_num) {
        return fail(session, "a %s of queue pair 0x%x names 0x%x", name, lane->qp->qp_num, wc->qp_num);
    }
    if (expectations->head == expectations->tail) {
        return fail(session, "surplus %s completion: wr_id 0x%" PRIx64 ", %s", name, wc->wr_id,
                    ibv_wc_status_str(wc->status));
    }
    const struct expectation *expected = &expectations->entries[expectations->head++ % LANE_QUEUE];
    group->outstanding--;
    if (wc->wr_id != expected->wr_id) {
        return fail(session, "%s wr_id 0x%" PRIx64 " (%s) comes where 0x%" PRIx64 " should", name, wc->wr_id,
                    ibv_wc_status_str(wc->status), expected->wr_id);
    }
    if ((unsigned)wc->status >= 32 || (expected->statuses >> wc->status & 1) == 0) {
        return fail(session, "%s %u of a queue pair ends with '%s' (%d, vendor 0x%x); allowed are the statuses 0x%x",
                    name, (uint32_t)wc->wr_id, ibv_wc_status_str(wc->status), wc->status, wc->vendor_err,
                    expected->statuses);
    }
    return wc->status != IBV_WC_SUCCESS || check_success(session, wc, expected, is_receive);
}

// The number of completions taken, or -1.
static int drain(struct session *session, struct group *group, struct ibv_cq *queue)
{
    struct ibv_wc completions[POLL_BATCH];
    int count = ibv_poll_cq(queue, POLL_BATCH, completions);
    if (count < 0) {
        fail(session, "polling a completion queue: %s", strerror(errno));
        return -1;
    }
    for (int i = 0; i < count; i++) {
        if (!take_one(session, group, queue, &completions[i])) return -1;
    }
    return count;
}

static int drain_both(struct session *session, struct group *group)
{
    int sends = drain(session, group, group->send_cq);
    int receives = sends < 0 ? -1 : drain(session, group, group->receive_cq);
    return receives < 0 ? -1 : sends + receives;
}

// 1 when readable, 0 when not in time, -1 after a failure.
int poll_fd(struct session *session, int fd, int milliseconds)
{
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    int result = poll(&wanted, 1, milliseconds);
    if (result < 0 && errno != EINTR) fail(session, "poll: %s", strerror(errno));
    return result < 0 ? (errno == EINTR ? 0 : -1) : result;
}

static bool take_event(struct session *session, struct group *group)
{
    struct ibv_cq *queue = NULL;
    void *context = NULL;
    if (ibv_get_cq_event(group->channel, &queue, &context) != 0) {
        return fail(session, "taking a completion event: %s", strerror(errno));
    }
    if (queue == group->send_cq) {
        group->unacknowledged_send++;
    } else if (queue == group->receive_cq) {
        group->unacknowledged_receive++;
    } else {
        return fail(session, "an event names an unknown completion queue");
    }
    return true;
}

// Arms, looks again (a completion may have come before), and only then sleeps.
static bool sleep_for_event(struct session *session, struct group *group)
{
    int error = ibv_req_notify_cq(group->send_cq, 0);
    if (error == 0) error = ibv_req_notify_cq(group->receive_cq, 0);
    if (error != 0) return fail(session, "arming a completion queue: %s", strerror(error));
    int count = drain_both(session, group);
    if (count != 0) return count > 0;
    int ready = poll_fd(session, group->channel->fd, NAP_MILLISECONDS);
    if (ready == 1) return take_event(session, group);
    // A lost event would only slow the program down; this makes it a failure.
    if (ready == 0) {
        count = drain_both(session, group);
        if (count > 0 && poll_fd(session, group->channel->fd, LOST_MILLISECONDS) == 0) {
            return fail(session, "a completion came to an armed queue, and no event");
        }
        return count >= 0;
    }
    return false;
}

static bool look_around(struct session *session, struct group *group, const char *what, double limit)
{
    if (peer_gave_up(session)) return fail(session, "the peer has failed (its reason is there) during: %s", what);
    if (now_seconds() < limit) return true;
    return fail(session, "%u completions have not come in %u s: %s", group->outstanding,
                session->plan.timeout_seconds, what);
}

// Returns when all that is expected has come.
bool collect(struct session *session, struct group *group, const char *what)
{
    double limit = now_seconds() + session->plan.timeout_seconds;
    uint32_t turns = 0;
    while (group->outstanding > 0) {
        int count = drain_both(session, group);
        if (count < 0) return false;
        if (count > 0) continue;
        bool looks = session->options.events || ++turns % TURNS_BETWEEN_LOOKS == 0;
        if (looks && !look_around(session, group, what, limit)) return false;
        if (session->options.events && group->channel != NULL) {
            if (!sleep_for_event(session, group)) return false;
        } else if (turns % 16 == 0) {
            // The peer and the endpoint may share this processor.
            sched_yield();
        }
    }
    return true;
}

// Nothing may come that was not expected.
bool is_quiet(struct session *session, struct group *group)
{
    return drain_both(session, group) >= 0;
}
