// Queue pairs, connected one to one with the peer's.

#include "verify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct lane_options USUAL_LANES = {
    .access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC,
    .timeout = 16,
    .retry_count = 7,
    .rnr_retry = 7,
};

struct lane_address {
    uint32_t number;
    uint32_t psn;
};

enum { SMALLEST_MTU = 256, LANES_AT_ONCE = 256 };

static bool open_queues(struct session *session, struct group *group)
{
    // One channel for both, as an application that sleeps would have it.
    if (session->options.events) {
        group->channel = ibv_create_comp_channel(session->context);
        if (group->channel == NULL) return fail(session, "cannot create a completion channel: %s", strerror(errno));
    }
    int entries = (int)group->count * LANE_QUEUE;
    if (entries > session->attributes.max_cqe) entries = session->attributes.max_cqe;
    group->send_cq = ibv_create_cq(session->context, entries, NULL, group->channel, 0);
    group->receive_cq = ibv_create_cq(session->context, entries, NULL, group->channel, 0);
    if (group->send_cq == NULL || group->receive_cq == NULL) {
        return fail(session, "cannot create a completion queue of %d entries: %s", entries, strerror(errno));
    }
    return true;
}

static bool open_lane(struct session *session, struct group *group, struct lane *lane)
{
    struct ibv_qp_init_attr attributes = {.send_cq = group->send_cq, .recv_cq = group->receive_cq,
                                          .qp_type = IBV_QPT_RC};
    attributes.cap = (struct ibv_qp_cap){.max_send_wr = LANE_QUEUE, .max_recv_wr = LANE_QUEUE,
                                         .max_send_sge = session->mine.max_sge, .max_recv_sge = session->mine.max_sge,
                                         .max_inline_data = session->mine.inline_bytes};
    lane->qp = ibv_create_qp(session->pd, &attributes);
    if (lane->qp == NULL) return fail(session, "cannot create queue pair %u: %s", lane->index, strerror(errno));
    return true;
}

static bool to_init(struct session *session, struct lane *lane, const struct lane_options *options)
{
    struct ibv_qp_attr attributes = {.qp_state = IBV_QPS_INIT, .port_num = (uint8_t)session->options.ib_port,
                                     .qp_access_flags = (unsigned)options->access};
    int mask = IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS;
    int error = ibv_modify_qp(lane->qp, &attributes, mask);
    return error == 0 || fail(session, "cannot move a queue pair to INIT: %s", strerror(error));
}

static uint32_t common_mtu(struct session *session)
{
    uint32_t mtu = session->mine.mtu_bytes;
    if (session->theirs.mtu_bytes < mtu) mtu = session->theirs.mtu_bytes;
    if (session->plan.mtu_bytes != 0 && session->plan.mtu_bytes < mtu) mtu = session->plan.mtu_bytes;
    return mtu;
}

static enum ibv_mtu mtu_code(uint32_t bytes)
{
    int code = IBV_MTU_256;
    while (code < IBV_MTU_4096 && (uint32_t)SMALLEST_MTU << code <= bytes) code++;
    return (enum ibv_mtu)code;
}

static bool to_rtr(struct session *session, struct lane *lane)
{
    uint32_t depth = session->mine.read_depth < session->theirs.read_depth ? session->mine.read_depth
                                                                            : session->theirs.read_depth;
    struct ibv_qp_attr attributes = {.qp_state = IBV_QPS_RTR, .path_mtu = mtu_code(common_mtu(session)),
                                     .dest_qp_num = lane->peer_number, .rq_psn = lane->peer_psn,
                                     .max_dest_rd_atomic = (uint8_t)depth, .min_rnr_timer = 12};
    attributes.ah_attr.is_global = 1;
    attributes.ah_attr.dlid = (uint16_t)session->theirs.lid;
    attributes.ah_attr.port_num = (uint8_t)session->options.ib_port;
    attributes.ah_attr.grh.dgid = session->theirs.gid;
    attributes.ah_attr.grh.sgid_index = (uint8_t)session->options.gid_index;
    attributes.ah_attr.grh.hop_limit = 64;
    int mask = IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
               IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER;
    int error = ibv_modify_qp(lane->qp, &attributes, mask);
    return error == 0 || fail(session, "cannot move a queue pair to RTR: %s", strerror(error));
}

static bool to_rts(struct session *session, struct lane *lane, const struct lane_options *options)
{
    uint32_t depth = session->mine.read_depth < session->theirs.read_depth ? session->mine.read_depth
                                                                            : session->theirs.read_depth;
    struct ibv_qp_attr attributes = {.qp_state = IBV_QPS_RTS, .timeout = options->timeout,
                                     .retry_cnt = options->retry_count, .rnr_retry = options->rnr_retry,
                                     .sq_psn = lane->psn, .max_rd_atomic = (uint8_t)depth};
    int mask = IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
               IBV_QP_MAX_QP_RD_ATOMIC;
    int error = ibv_modify_qp(lane->qp, &attributes, mask);
    return error == 0 || fail(session, "cannot move a queue pair to RTS: %s", strerror(error));
}

// Every other queue pair starts shortly before the sequence number wraps around.
static uint32_t first_psn(struct session *session, uint32_t index)
{
    uint64_t random = key_of(session->case_key, key_of((uint64_t)session->side, index));
    return index % 2 == 0 ? 0xffffff - (uint32_t)(random % 16) : (uint32_t)(random & 0xffffff);
}

static bool exchange_addresses(struct session *session, struct group *group, uint32_t first, uint32_t count)
{
    struct lane_address mine[LANES_AT_ONCE] = {{0, 0}};
    struct lane_address theirs[LANES_AT_ONCE];
    for (uint32_t i = 0; i < count; i++) {
        struct lane *lane = &group->lanes[first + i];
        lane->psn = first_psn(session, lane->index);
        mine[i] = (struct lane_address){.number = lane->qp->qp_num, .psn = lane->psn};
    }
    if (!exchange(session, "addresses of queue pairs", mine, theirs, sizeof mine)) return false;
    for (uint32_t i = 0; i < count; i++) {
        group->lanes[first + i].peer_number = theirs[i].number;
        group->lanes[first + i].peer_psn = theirs[i].psn;
    }
    return true;
}

// From RESET to RTS on both sides.
bool group_connect(struct session *session, struct group *group, const struct lane_options *options)
{
    for (uint32_t first = 0; first < group->count; first += LANES_AT_ONCE) {
        uint32_t count = group->count - first < LANES_AT_ONCE ? group->count - first : LANES_AT_ONCE;
        if (!exchange_addresses(session, group, first, count)) return false;
    }
    for (uint32_t i = 0; i < group->count; i++) {
        struct lane *lane = &group->lanes[i];
        if (!to_init(session, lane, options) || !to_rtr(session, lane) || !to_rts(session, lane, options)) return false;
    }
    return meet(session, "all queue pairs are in RTS");
}

bool group_open(struct session *session, struct group *group, uint32_t count, const struct lane_options *options)
{
    struct lane_options allowed = *options;
    if (!session->mine.has_atomics) allowed.access &= ~IBV_ACCESS_REMOTE_ATOMIC;
    memset(group, 0, sizeof *group);
    group->count = count;
    group->lanes = calloc(count, sizeof *group->lanes);
    if (group->lanes == NULL) return fail(session, "no memory for %u queue pairs", count);
    if (!open_queues(session, group)) return false;
    for (uint32_t i = 0; i < count; i++) {
        group->lanes[i].index = i;
        if (!open_lane(session, group, &group->lanes[i])) return false;
    }
    return group_connect(session, group, &allowed);
}

bool lane_to_state(struct session *session, struct lane *lane, enum ibv_qp_state state)
{
    struct ibv_qp_attr attributes = {.qp_state = state};
    int error = ibv_modify_qp(lane->qp, &attributes, IBV_QP_STATE);
    return error == 0 || fail(session, "cannot move a queue pair to state %d: %s", state, strerror(error));
}

static bool check_closed(struct session *session, const char *what, int error)
{
    return error == 0 || fail(session, "cannot destroy %s: %s", what, strerror(error));
}

// Closes what was opened, also after a failure in the middle.
bool group_close(struct session *session, struct group *group)
{
    bool ok = true;
    for (uint32_t i = 0; group->lanes != NULL && i < group->count; i++) {
        if (group->lanes[i].qp == NULL) continue;
        ok &= check_closed(session, "a queue pair", ibv_destroy_qp(group->lanes[i].qp));
    }
    if (group->send_cq != NULL) {
        ibv_ack_cq_events(group->send_cq, (unsigned)group->unacknowledged_send);
        ok &= check_closed(session, "the send completion queue", ibv_destroy_cq(group->send_cq));
    }
    if (group->receive_cq != NULL) {
        ibv_ack_cq_events(group->receive_cq, (unsigned)group->unacknowledged_receive);
        ok &= check_closed(session, "the receive completion queue", ibv_destroy_cq(group->receive_cq));
    }
    if (group->channel != NULL) ok &= check_closed(session, "the channel", ibv_destroy_comp_channel(group->channel));
    free(group->lanes);
    memset(group, 0, sizeof *group);
    return ok;
}
