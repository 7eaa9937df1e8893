// WRITE, READ and SEND in all their forms: many messages on many queue pairs, in both directions at once.
//
// A flow is one message from the OUT arena of one side to the IN arena of the other. For a READ the side that gets the
// data is the requester, otherwise the side that has it. Everything about a flow follows from its key.

#include "verify.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { DECOY_BYTES = 16, LARGE_MESSAGE = 65537, MIDDLE_MESSAGE = 4097 };

struct round {
    int operation;
    uint32_t size;
    uint32_t depth;
    uint32_t lanes;
    uint64_t key;
    uint64_t out_background[2];
    uint64_t in_background[2];
    struct group *group;
};

struct flow {
    uint64_t key;
    int from;
    enum ibv_wr_opcode opcode;
    struct layout out;
    struct layout in;
    uint32_t immediate;
};

uint32_t depth_for(uint32_t size)
{
    return size <= MIDDLE_MESSAGE ? MAX_DEPTH : size <= LARGE_MESSAGE ? 4 : 1;
}

// As many queue pairs at once as the memory allows.
uint32_t lanes_for(const struct plan *plan, uint32_t size)
{
    uint64_t each = depth_for(size) * slot_stride(size);
    uint64_t lanes = plan->memory_bytes / each;
    if (lanes < 1) lanes = 1;
    return lanes < plan->queue_pairs ? (uint32_t)lanes : plan->queue_pairs;
}

static enum ibv_wr_opcode opcode_of(int operation, uint64_t key)
{
    static const enum ibv_wr_opcode kinds[] = {IBV_WR_RDMA_WRITE, IBV_WR_RDMA_WRITE_WITH_IMM, IBV_WR_SEND,
                                               IBV_WR_SEND_WITH_IMM, IBV_WR_RDMA_READ};
    switch (operation) {
    case OP_WRITE: return IBV_WR_RDMA_WRITE;
    case OP_WRITE_IMM: return IBV_WR_RDMA_WRITE_WITH_IMM;
    case OP_READ: return IBV_WR_RDMA_READ;
    case OP_SEND: return IBV_WR_SEND;
    case OP_SEND_IMM: return IBV_WR_SEND_WITH_IMM;
    case OP_INLINE: return kinds[key_of(key, 10) % 4];
    default: return kinds[key_of(key, 10) % 5];
    }
}

static bool has_immediate(enum ibv_wr_opcode opcode)
{
    return opcode == IBV_WR_RDMA_WRITE_WITH_IMM || opcode == IBV_WR_SEND_WITH_IMM;
}

static bool is_send(enum ibv_wr_opcode opcode)
{
    return opcode == IBV_WR_SEND || opcode == IBV_WR_SEND_WITH_IMM;
}

static int piece_count(const struct session *session, int operation, uint64_t key)
{
    if (operation != OP_MULTI_SGE && operation != OP_MIXED) return 1;
    uint32_t most = session->mine.max_sge < session->theirs.max_sge ? session->mine.max_sge : session->theirs.max_sge;
    return operation == OP_MULTI_SGE && most > 1 ? 2 + (int)(key % (most - 1)) : 1 + (int)(key % most);
}

// The remote end of a WRITE or READ is one piece, the local end of anything may be several.
static struct flow flow_at(const struct session *session, const struct round *round, uint32_t lane, uint32_t message,
                           int from)
{
    struct flow flow = {.from = from};
    flow.key = key_of(round->key, (uint64_t)from << 62 | (uint64_t)lane << 16 | message);
    flow.opcode = opcode_of(round->operation, flow.key);
    flow.immediate = (uint32_t)key_of(flow.key, 11);
    uint64_t slot = ((uint64_t)lane * round->depth + message) * slot_stride(round->size);
    int out_pieces = piece_count(session, round->operation, key_of(flow.key, 12));
    int in_pieces = piece_count(session, round->operation, key_of(flow.key, 13));
    if (flow.opcode == IBV_WR_RDMA_READ) {
        out_pieces = 1;
    } else if (!is_send(flow.opcode)) {
        in_pieces = 1;
    }
    place(&flow.out, key_of(flow.key, 14), slot, round->size, out_pieces);
    place(&flow.in, key_of(flow.key, 15), slot, round->size, in_pieces);
    return flow;
}

static void prepare(struct session *session, const struct round *round)
{
    int me = session->side;
    for (uint32_t lane = 0; lane < round->lanes; lane++) {
        for (uint32_t message = 0; message < round->depth; message++) {
            struct flow leaving = flow_at(session, round, lane, message, me);
            struct flow coming = flow_at(session, round, lane, message, 1 - me);
            fill_slot(&session->out, &leaving.out, round->out_background[me], &leaving.key);
            fill_slot(&session->in, &coming.in, round->in_background[me], NULL);
        }
    }
}

static bool post_receive(struct session *session, const struct round *round, struct lane *lane,
                         const struct flow *flow)
{
    struct ibv_sge elements[MAX_PIECES];
    struct ibv_recv_wr *bad = NULL;
    struct ibv_recv_wr request = {.wr_id = (uint64_t)lane->index << 32 | (uint32_t)lane->next_wr_id++};
    request.sg_list = elements;
    request.num_sge = to_elements(&session->in, &flow->in, true, elements);
    if (!is_send(flow->opcode) && flow->key % 2 == 0) {
        request.num_sge = 0;
    } else if (!is_send(flow->opcode)) {
        // The receive of a WRITE with immediate has a buffer that must stay as it is: the guard bytes.
        elements[0].addr = (uintptr_t)session->in.base + flow->in.slot;
        elements[0].length = DECOY_BYTES;
        elements[0].lkey = session->in.region->lkey;
        request.num_sge = 1;
    }
    struct expectation expected = {.wr_id = request.wr_id, .statuses = 1u << IBV_WC_SUCCESS, .byte_len = round->size};
    expected.opcode = is_send(flow->opcode) ? IBV_WC_RECV : IBV_WC_RECV_RDMA_WITH_IMM;
    expected.has_immediate = has_immediate(flow->opcode);
    expected.immediate = flow->immediate;
    expect_receive(round->group, lane, expected);
    int error = ibv_post_recv(lane->qp, &request, &bad);
    return error == 0 || fail(session, "posting a receive: %s", strerror(error));
}

// Posts inline data from memory that is registered nowhere, and that is overwritten at once.
static int post_inline(struct lane *lane, struct ibv_send_wr *request, const struct flow *flow, uint32_t size)
{
    uint8_t bytes[256];
    struct ibv_sge element = {.addr = (uintptr_t)bytes, .length = size, .lkey = 0xdeadbeef};
    struct ibv_send_wr *bad = NULL;
    fill(flow->key, 0, bytes, size);
    request->sg_list = &element;
    request->num_sge = 1;
    request->send_flags |= IBV_SEND_INLINE;
    int error = ibv_post_send(lane->qp, request, &bad);
    memset(bytes, 0xee, sizeof bytes);
    return error;
}

static void aim(const struct session *session, struct ibv_send_wr *request, const struct flow *flow)
{
    if (is_send(flow->opcode)) return;
    bool reads = flow->opcode == IBV_WR_RDMA_READ;
    uint64_t base = reads ? session->theirs.out_address : session->theirs.in_address;
    request->wr.rdma.remote_addr = base + (reads ? flow->out.pieces[0].at : flow->in.pieces[0].at);
    request->wr.rdma.rkey = reads ? session->theirs.out_key : session->theirs.in_key;
}

static int completion_opcode(enum ibv_wr_opcode opcode)
{
    return opcode == IBV_WR_RDMA_READ ? IBV_WC_RDMA_READ : is_send(opcode) ? IBV_WC_SEND : IBV_WC_RDMA_WRITE;
}

// Some requests ask for no completion, but never the last one.
static bool post_request(struct session *session, const struct round *round, struct lane *lane,
                         const struct flow *flow, bool is_last)
{
    struct ibv_sge elements[MAX_PIECES];
    struct ibv_send_wr request = {.wr_id = (uint64_t)lane->index << 32 | (uint32_t)lane->next_wr_id++};
    bool reads = flow->opcode == IBV_WR_RDMA_READ;
    request.opcode = flow->opcode;
    request.imm_data = htonl(flow->immediate);
    aim(session, &request, flow);
    if (is_last || key_of(flow->key, 16) % 3 != 0) {
        request.send_flags = IBV_SEND_SIGNALED;
        expect_send(round->group, lane, request.wr_id, 1u << IBV_WC_SUCCESS, completion_opcode(flow->opcode),
                    reads ? (int64_t)round->size : -1);
    }
    session->messages++;
    session->bytes += round->size;
    int error = 0;
    if (round->operation == OP_INLINE) {
        error = post_inline(lane, &request, flow, round->size);
    } else {
        struct ibv_send_wr *bad = NULL;
        request.sg_list = elements;
        request.num_sge = reads ? to_elements(&session->in, &flow->in, false, elements)
                                : to_elements(&session->out, &flow->out, false, elements);
        error = ibv_post_send(lane->qp, &request, &bad);
    }
    return error == 0 || fail(session, "posting a request (opcode %d): %s", flow->opcode, strerror(error));
}

static bool needs_receive(enum ibv_wr_opcode opcode)
{
    return is_send(opcode) || opcode == IBV_WR_RDMA_WRITE_WITH_IMM;
}

static bool post_receives(struct session *session, const struct round *round)
{
    for (uint32_t lane = 0; lane < round->lanes; lane++) {
        for (uint32_t message = 0; message < round->depth; message++) {
            struct flow coming = flow_at(session, round, lane, message, 1 - session->side);
            if (!needs_receive(coming.opcode)) continue;
            if (!post_receive(session, round, &round->group->lanes[lane], &coming)) return false;
        }
    }
    return true;
}

// The flows whose requester this side is, in an order that both sides know.
static bool post_lane(struct session *session, const struct round *round, struct lane *lane)
{
    struct flow mine[2 * MAX_DEPTH];
    int count = 0;
    for (uint32_t message = 0; message < round->depth; message++) {
        for (int from = 0; from < 2; from++) {
            struct flow flow = flow_at(session, round, lane->index, message, from);
            bool reads = flow.opcode == IBV_WR_RDMA_READ;
            if ((from == session->side) != reads) mine[count++] = flow;
        }
    }
    for (int i = 0; i < count; i++) {
        if (!post_request(session, round, lane, &mine[i], i == count - 1)) return false;
    }
    return true;
}

static bool check_arenas(struct session *session, const struct round *round)
{
    int me = session->side;
    for (uint32_t lane = 0; lane < round->lanes; lane++) {
        for (uint32_t message = 0; message < round->depth; message++) {
            struct flow leaving = flow_at(session, round, lane, message, me);
            struct flow coming = flow_at(session, round, lane, message, 1 - me);
            if (!check_slot(session, "the source of the data", &session->out, &leaving.out, round->out_background[me],
                            leaving.key)) {
                return false;
            }
            if (!check_slot(session, "the data that came", &session->in, &coming.in, round->in_background[me],
                            coming.key)) {
                return false;
            }
        }
    }
    return true;
}

static bool run_round(struct session *session, const struct round *round)
{
    prepare(session, round);
    if (!post_receives(session, round) || !meet(session, "receives are posted")) return false;
    for (uint32_t lane = 0; lane < round->lanes; lane++) {
        if (!post_lane(session, round, &round->group->lanes[lane])) return false;
    }
    if (!collect(session, round->group, operation_name(round->operation))) return false;
    // Only now has the peer, too, seen that its requests are done.
    return meet(session, "all requests are complete") && is_quiet(session, round->group) &&
           check_arenas(session, round) && meet(session, "all bytes are checked");
}

static void choose_keys(const struct session *session, struct round *round, uint32_t iteration)
{
    round->key = key_of(key_of(session->case_key, round->size), iteration);
    for (int side = 0; side < 2; side++) {
        round->out_background[side] = key_of(round->key, 20 + (uint64_t)side);
        round->in_background[side] = key_of(round->key, 22 + (uint64_t)side);
    }
}

static bool run_sizes(struct session *session, struct group *group, int operation, const uint32_t *sizes, int count)
{
    for (int i = 0; i < count; i++) {
        struct round round = {.operation = operation, .size = sizes[i], .depth = depth_for(sizes[i]),
                              .lanes = lanes_for(&session->plan, sizes[i]), .group = group};
        for (uint32_t iteration = 0; iteration < session->plan.iterations; iteration++) {
            choose_keys(session, &round, iteration);
            say(session, "%s, %u bytes, round %u", operation_name(operation), sizes[i], iteration);
            if (run_round(session, &round)) continue;
            char reason[sizeof session->failure];
            snprintf(reason, sizeof reason, "%s", session->failure);
            snprintf(session->failure, sizeof session->failure, "%u bytes, round %u: %.400s", sizes[i], iteration,
                     reason);
            return false;
        }
    }
    return true;
}

bool run_transfers(struct session *session, int operation, const uint32_t *sizes, int count)
{
    struct group group;
    uint32_t lanes = 0;
    for (int i = 0; i < count; i++) {
        uint32_t wanted = lanes_for(&session->plan, sizes[i]);
        if (wanted > lanes) lanes = wanted;
    }
    bool ok = group_open(session, &group, lanes, &USUAL_LANES) && run_sizes(session, &group, operation, sizes, count);
    return group_close(session, &group) && ok;
}
