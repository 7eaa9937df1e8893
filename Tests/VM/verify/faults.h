// The requests that must fail, and how.

#ifndef FAULTS_H
#define FAULTS_H

#include "verify.h"

enum fault {
    KEY_PORTION, KEY_INDEX, PAST_END, BEFORE_START, NO_REGION_ACCESS, NO_QUEUE_PAIR_ACCESS, OTHER_DOMAIN, DEREGISTERED,
    MISALIGNED, EMPTY_WRONG_KEY, LOCAL_KEY, LOCAL_PAST_END, LOCAL_READ_ONLY, LOCAL_OTHER_DOMAIN, SHORT_RECEIVE,
    RECEIVE_KEY, NO_RECEIVE, NO_PEER, PEER_IN_RESET, PEER_IN_ERROR
};

#define STATUS(name) (1u << IBV_WC_##name)

struct error_case {
    const char *name;
    enum fault fault;
    enum ibv_wr_opcode opcode;
    uint32_t requester;
    // Of the first of the peer's two receives, the second one is flushed; 0 when the peer notices nothing.
    uint32_t responder;
    uint32_t rxe_requester;
    uint32_t rxe_responder;
};

int error_case_count(void);
const struct error_case *error_case(int index);
bool is_atomic(enum ibv_wr_opcode opcode);
bool is_local(const struct error_case *each);
bool peer_answers(const struct error_case *each);
uint32_t requester_statuses(const struct session *session, const struct error_case *each);
uint32_t responder_statuses(const struct session *session, const struct error_case *each);

#endif
