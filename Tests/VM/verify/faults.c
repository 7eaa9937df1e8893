// The table of faults, with the statuses that the specification or rxe gives.

#include "faults.h"

// The third and fourth columns follow IBA volume 1, sections 9.9 and 10.7; the last two are what rxe of Linux 6.1 says
// instead, which is accepted too without --strict:
//  - a local element that may not be used: LOC_QP_OP_ERR when rxe builds the packet;
//  - a receive that is too short is treated as malformed: REM_OP_ERR and LOC_QP_OP_ERR; REM_INV_REQ_ERR for the receive
//    is what newer versions say;
//  - a receive with a wrong key: its own completion says LOC_QP_OP_ERR;
//  - a misaligned atomic is already refused by ibv_post_send, see post_requests().
// A queue pair that does not allow an operation may answer in two ways, and adapters do.
#define REMOTE(name, fault, opcode) {name, fault, IBV_WR_##opcode, STATUS(REM_ACCESS_ERR), STATUS(WR_FLUSH_ERR), 0, 0}
#define LOCAL(name, fault, opcode) {name, fault, IBV_WR_##opcode, STATUS(LOC_PROT_ERR), 0, STATUS(LOC_QP_OP_ERR), 0}
#define FORBIDDEN (STATUS(REM_ACCESS_ERR) | STATUS(REM_INV_REQ_ERR))

static const struct error_case cases[] = {
    REMOTE("WRITE, wrong key portion", KEY_PORTION, RDMA_WRITE),
    REMOTE("READ, wrong key portion", KEY_PORTION, RDMA_READ),
    REMOTE("fetch-add, wrong key portion", KEY_PORTION, ATOMIC_FETCH_AND_ADD),
    REMOTE("WRITE, unknown key", KEY_INDEX, RDMA_WRITE),
    REMOTE("READ, unknown key", KEY_INDEX, RDMA_READ),
    REMOTE("WRITE past the end", PAST_END, RDMA_WRITE),
    REMOTE("READ past the end", PAST_END, RDMA_READ),
    REMOTE("compare-and-swap past the end", PAST_END, ATOMIC_CMP_AND_SWP),
    REMOTE("WRITE before the start", BEFORE_START, RDMA_WRITE),
    REMOTE("READ before the start", BEFORE_START, RDMA_READ),
    REMOTE("WRITE to a region without that access", NO_REGION_ACCESS, RDMA_WRITE),
    REMOTE("READ of a region without that access", NO_REGION_ACCESS, RDMA_READ),
    REMOTE("fetch-add to a region without that access", NO_REGION_ACCESS, ATOMIC_FETCH_AND_ADD),
    {"WRITE to a queue pair without that access", NO_QUEUE_PAIR_ACCESS, IBV_WR_RDMA_WRITE, FORBIDDEN,
     STATUS(WR_FLUSH_ERR), 0, 0},
    {"READ from a queue pair without that access", NO_QUEUE_PAIR_ACCESS, IBV_WR_RDMA_READ, FORBIDDEN,
     STATUS(WR_FLUSH_ERR), 0, 0},
    REMOTE("WRITE to another domain's region", OTHER_DOMAIN, RDMA_WRITE),
    REMOTE("READ of another domain's region", OTHER_DOMAIN, RDMA_READ),
    REMOTE("WRITE to a deregistered region", DEREGISTERED, RDMA_WRITE),
    REMOTE("READ of a deregistered region", DEREGISTERED, RDMA_READ),
    {"fetch-add to a misaligned address", MISALIGNED, IBV_WR_ATOMIC_FETCH_AND_ADD, STATUS(REM_INV_REQ_ERR),
     STATUS(WR_FLUSH_ERR), 0, 0},
    {"empty WRITE, whose key is not looked at", EMPTY_WRONG_KEY, IBV_WR_RDMA_WRITE, STATUS(SUCCESS), 0, 0, 0},
    LOCAL("SEND, wrong local key", LOCAL_KEY, SEND),
    LOCAL("WRITE, wrong local key", LOCAL_KEY, RDMA_WRITE),
    LOCAL("READ, wrong local key", LOCAL_KEY, RDMA_READ),
    LOCAL("SEND from past the local end", LOCAL_PAST_END, SEND),
    LOCAL("READ to past the local end", LOCAL_PAST_END, RDMA_READ),
    LOCAL("READ into a region that may not be written", LOCAL_READ_ONLY, RDMA_READ),
    LOCAL("SEND from another domain's region", LOCAL_OTHER_DOMAIN, SEND),
    {"SEND to a receive that is too short", SHORT_RECEIVE, IBV_WR_SEND, STATUS(REM_INV_REQ_ERR), STATUS(LOC_LEN_ERR),
     STATUS(REM_OP_ERR), STATUS(LOC_QP_OP_ERR) | STATUS(REM_INV_REQ_ERR)},
    {"SEND to a receive with a wrong key", RECEIVE_KEY, IBV_WR_SEND, STATUS(REM_OP_ERR), STATUS(LOC_PROT_ERR), 0,
     STATUS(LOC_QP_OP_ERR)},
    {"SEND without a receive", NO_RECEIVE, IBV_WR_SEND, STATUS(RNR_RETRY_EXC_ERR), 0, 0, 0},
    {"WRITE with immediate without a receive", NO_RECEIVE, IBV_WR_RDMA_WRITE_WITH_IMM, STATUS(RNR_RETRY_EXC_ERR), 0, 0,
     0},
    {"SEND to a queue pair that is gone", NO_PEER, IBV_WR_SEND, STATUS(RETRY_EXC_ERR), 0, 0, 0},
    {"READ from a queue pair that is gone", NO_PEER, IBV_WR_RDMA_READ, STATUS(RETRY_EXC_ERR), 0, 0, 0},
    {"WRITE to a queue pair in RESET", PEER_IN_RESET, IBV_WR_RDMA_WRITE, STATUS(RETRY_EXC_ERR), 0, 0, 0},
    {"WRITE to a queue pair in ERR", PEER_IN_ERROR, IBV_WR_RDMA_WRITE, STATUS(RETRY_EXC_ERR), STATUS(WR_FLUSH_ERR), 0,
     0},
};

int error_case_count(void)
{
    return (int)(sizeof cases / sizeof *cases);
}

const char *error_case_name(int index)
{
    return cases[index].name;
}

const struct error_case *error_case(int index)
{
    return &cases[index];
}

bool is_atomic(enum ibv_wr_opcode opcode)
{
    return opcode == IBV_WR_ATOMIC_FETCH_AND_ADD || opcode == IBV_WR_ATOMIC_CMP_AND_SWP;
}

bool error_case_needs_atomics(int index)
{
    return is_atomic(cases[index].opcode);
}

bool peer_answers(const struct error_case *each)
{
    return each->fault != NO_PEER && each->fault != PEER_IN_RESET && each->fault != PEER_IN_ERROR;
}

bool is_local(const struct error_case *each)
{
    return each->fault >= LOCAL_KEY && each->fault <= LOCAL_OTHER_DOMAIN;
}

uint32_t requester_statuses(const struct session *session, const struct error_case *each)
{
    return each->requester | (session->plan.strict ? 0 : each->rxe_requester);
}

uint32_t responder_statuses(const struct session *session, const struct error_case *each)
{
    return each->responder | (session->plan.strict ? 0 : each->rxe_responder);
}
