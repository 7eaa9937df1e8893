// Requests that must fail, each on a queue pair of its own.

#include "faults.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, LENGTH = 64, GOOD_BYTES = 48, FOLLOWER_BYTES = 8, LOCAL_AT = 8192 };
enum { ALL_REMOTE = IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC };

// The responder's memory: a page, registered, between two that are not.
struct target {
    uint8_t *pages;
    struct ibv_pd *other_domain;
    struct ibv_mr *region;
    uint64_t background;
};

struct target_address {
    uint64_t address;
    uint32_t key;
    uint32_t unused;
};

// What the requester needs beyond the arenas.
struct local_end {
    struct ibv_pd *other_domain;
    struct ibv_mr *region;
};

static int access_needed(enum ibv_wr_opcode opcode)
{
    return is_atomic(opcode) ? IBV_ACCESS_REMOTE_ATOMIC
                             : opcode == IBV_WR_RDMA_READ ? IBV_ACCESS_REMOTE_READ : IBV_ACCESS_REMOTE_WRITE;
}

// A correct WRITE goes ahead where the peer takes one, and must be done whatever comes behind it.
static bool has_good_request(const struct session *session, const struct error_case *each)
{
    bool writable = each->fault != OTHER_DOMAIN && each->fault != DEREGISTERED && each->fault != NO_QUEUE_PAIR_ACCESS;
    if (each->fault == NO_REGION_ACCESS && each->opcode == IBV_WR_RDMA_WRITE) writable = false;
    // With a request under way, rxe of Linux 6.1 forgets to end a queue pair that has a local fault: nothing completes.
    if (is_local(each) && !session->plan.strict) return false;
    return writable && peer_answers(each);
}

static bool open_target(struct session *session, const struct error_case *each, struct target *target)
{
    int remote = session->mine.has_atomics ? ALL_REMOTE : ALL_REMOTE & ~IBV_ACCESS_REMOTE_ATOMIC;
    if (each->fault == NO_REGION_ACCESS) remote &= ~access_needed(each->opcode);
    target->background = key_of(session->case_key, 30);
    target->pages = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (target->pages == MAP_FAILED) return fail(session, "no memory");
    fill(target->background, 0, target->pages, 3 * PAGE);
    if (each->fault == OTHER_DOMAIN) {
        target->other_domain = ibv_alloc_pd(session->context);
        if (target->other_domain == NULL) return fail(session, "no protection domain: %s", strerror(errno));
    }
    struct ibv_pd *domain = target->other_domain != NULL ? target->other_domain : session->pd;
    target->region = ibv_reg_mr(domain, target->pages + PAGE, PAGE, IBV_ACCESS_LOCAL_WRITE | remote);
    return target->region != NULL || fail(session, "cannot register memory: %s", strerror(errno));
}

static bool close_target(struct session *session, struct target *target)
{
    int error = target->region != NULL ? ibv_dereg_mr(target->region) : 0;
    if (error == 0 && target->other_domain != NULL) error = ibv_dealloc_pd(target->other_domain);
    if (target->pages != NULL && target->pages != MAP_FAILED) munmap(target->pages, 3 * PAGE);
    return error == 0 || fail(session, "cannot deregister memory: %s", strerror(error));
}

static bool post_receives(struct session *session, const struct error_case *each, struct group *group)
{
    struct lane *lane = &group->lanes[0];
    for (uint32_t i = 0; i < 2 && each->fault != NO_RECEIVE; i++) {
        struct ibv_sge element = {.addr = (uintptr_t)session->in.base, .length = LENGTH,
                                  .lkey = session->in.region->lkey};
        if (each->fault == SHORT_RECEIVE) element.length = LENGTH / 2;
        if (each->fault == RECEIVE_KEY) element.lkey ^= 0x55;
        struct ibv_recv_wr request = {.wr_id = i, .sg_list = &element, .num_sge = 1};
        struct ibv_recv_wr *bad = NULL;
        uint32_t statuses = i == 0 ? responder_statuses(session, each) : STATUS(WR_FLUSH_ERR);
        if (each->responder != 0) {
            expect_receive(group, lane, (struct expectation){.wr_id = request.wr_id, .statuses = statuses});
        }
        int error = ibv_post_recv(lane->qp, &request, &bad);
        if (error != 0) return fail(session, "posting a receive: %s", strerror(error));
    }
    return true;
}

// What makes the peer unable to answer comes after its memory and receives were in place.
static bool spoil_responder(struct session *session, const struct error_case *each, struct group *group,
                            struct target *target)
{
    struct lane *lane = &group->lanes[0];
    int error = 0;
    switch (each->fault) {
    case DEREGISTERED:
        error = ibv_dereg_mr(target->region);
        target->region = NULL;
        break;
    case NO_PEER:
        error = ibv_destroy_qp(lane->qp);
        lane->qp = NULL;
        break;
    case PEER_IN_RESET: return lane_to_state(session, lane, IBV_QPS_RESET);
    case PEER_IN_ERROR: return lane_to_state(session, lane, IBV_QPS_ERR);
    default: break;
    }
    return error == 0 || fail(session, "preparing the fault: %s", strerror(error));
}

static bool check_target(struct session *session, const struct error_case *each, const struct target *target)
{
    uint64_t at = PAGE;
    if (!matches(session, "the page before the region", target->background, 0, target->pages, PAGE)) return false;
    if (has_good_request(session, each)) {
        const uint8_t *good = target->pages + at;
        if (!matches(session, "the WRITE before the fault", session->case_key, 0, good, GOOD_BYTES)) return false;
        at += GOOD_BYTES;
    }
    // Where the data of a READ cannot be put is seen only when it comes; what was sent behind it may have been done.
    bool followers_may_be_done = is_local(each) && each->opcode == IBV_WR_RDMA_READ;
    if (each->requester == STATUS(SUCCESS) || followers_may_be_done) at += FOLLOWER_BYTES;
    return matches(session, "the region", target->background, at, target->pages + at, 2 * PAGE - at) &&
           matches(session, "the page after the region", target->background, 2 * PAGE, target->pages + 2 * PAGE, PAGE);
}

// Some devices find this before they send anything: when it is posted, or by a completion.
static bool may_be_refused(const struct session *session, const struct error_case *each)
{
    return each->fault == MISALIGNED && !session->plan.strict;
}

static bool is_broken(const struct lane *lane)
{
    struct ibv_qp_attr attributes;
    struct ibv_qp_init_attr initial;
    return ibv_query_qp(lane->qp, &attributes, IBV_QP_STATE, &initial) == 0 && attributes.qp_state == IBV_QPS_ERR;
}

static bool respond(struct session *session, const struct error_case *each, struct group *group,
                    struct target *target)
{
    if (!open_target(session, each, target) || !post_receives(session, each, group)) return false;
    struct target_address mine = {.address = (uintptr_t)target->region->addr, .key = target->region->rkey};
    struct target_address theirs;
    uint8_t nothing = 0;
    uint8_t was_refused = 0;
    if (!spoil_responder(session, each, group, target) ||
        !exchange(session, "the target of the fault", &mine, &theirs, sizeof mine) ||
        !exchange(session, "the requests have ended", &nothing, &was_refused, 1)) {
        return false;
    }
    // Then nothing has broken this side's queue pair, and the receives would stay.
    bool noticed_nothing = was_refused || (may_be_refused(session, each) && !is_broken(&group->lanes[0]));
    if (noticed_nothing && !lane_to_state(session, &group->lanes[0], IBV_QPS_ERR)) return false;
    return collect(session, group, each->name) && is_quiet(session, group) && check_target(session, each, target);
}

static bool open_local(struct session *session, const struct error_case *each, struct local_end *local)
{
    struct ibv_pd *domain = session->pd;
    if (each->fault != LOCAL_OTHER_DOMAIN && each->fault != LOCAL_READ_ONLY) return true;
    if (each->fault == LOCAL_OTHER_DOMAIN) {
        domain = local->other_domain = ibv_alloc_pd(session->context);
        if (domain == NULL) return fail(session, "no protection domain: %s", strerror(errno));
    }
    int access = each->fault == LOCAL_READ_ONLY ? IBV_ACCESS_REMOTE_READ : IBV_ACCESS_LOCAL_WRITE;
    local->region = ibv_reg_mr(domain, session->in.base + LOCAL_AT, PAGE, access);
    return local->region != NULL || fail(session, "cannot register memory: %s", strerror(errno));
}

static bool close_local(struct session *session, struct local_end *local)
{
    int error = local->region != NULL ? ibv_dereg_mr(local->region) : 0;
    if (error == 0 && local->other_domain != NULL) error = ibv_dealloc_pd(local->other_domain);
    return error == 0 || fail(session, "cannot deregister memory: %s", strerror(error));
}

static struct ibv_sge local_element(struct session *session, const struct error_case *each,
                                    const struct local_end *local)
{
    struct ibv_sge element = {.addr = (uintptr_t)session->in.base + LOCAL_AT, .length = LENGTH,
                              .lkey = session->in.region->lkey};
    if (is_atomic(each->opcode)) element.length = 8;
    if (each->fault == EMPTY_WRONG_KEY) element.length = 0;
    if (each->fault == LOCAL_KEY) element.lkey ^= 0x55;
    if (each->fault == LOCAL_PAST_END) element.addr = (uintptr_t)session->in.base + session->in.size - LENGTH / 2;
    if (local->region != NULL) element.lkey = local->region->lkey;
    return element;
}

static struct target_address spoiled(const struct error_case *each, struct target_address target)
{
    switch (each->fault) {
    case KEY_PORTION:
    case EMPTY_WRONG_KEY: target.key ^= 0x55; break;
    case KEY_INDEX: target.key ^= 0x00654300; break;
    case PAST_END: target.address += PAGE - (is_atomic(each->opcode) ? 0 : LENGTH - 1); break;
    case BEFORE_START: target.address -= 1; break;
    case MISALIGNED: target.address += 4; break;
    default: break;
    }
    return target;
}

static void aim(struct ibv_send_wr *request, struct target_address target)
{
    if (is_atomic(request->opcode)) {
        request->wr.atomic.remote_addr = target.address;
        request->wr.atomic.rkey = target.key;
    } else if (request->opcode != IBV_WR_SEND) {
        request->wr.rdma.remote_addr = target.address;
        request->wr.rdma.rkey = target.key;
    }
}

static void expect_requests(struct session *session, const struct error_case *each, struct group *group, int first,
                            int count)
{
    bool fine = each->requester == STATUS(SUCCESS);
    for (int i = first; i < first + count; i++) {
        uint32_t statuses = i == 0 || fine ? STATUS(SUCCESS) : STATUS(WR_FLUSH_ERR);
        if (i == 1) statuses = requester_statuses(session, each);
        if (i < 3 || !fine) expect_send(group, &group->lanes[0], (uint64_t)i, statuses, IBV_WC_RDMA_WRITE, -1);
        session->messages++;
    }
}

// A correct WRITE, the faulty request, and two more that must be flushed, one of them unsignaled.
static bool post_requests(struct session *session, const struct error_case *each, struct group *group,
                          const struct local_end *local, struct target_address target, uint8_t *was_refused)
{
    struct ibv_sge source = {.addr = (uintptr_t)session->out.base, .length = GOOD_BYTES,
                             .lkey = session->out.region->lkey};
    struct ibv_sge follower_source = source;
    struct ibv_sge faulty = local_element(session, each, local);
    struct ibv_send_wr requests[4] = {
        {.wr_id = 0, .sg_list = &source, .num_sge = 1, .opcode = IBV_WR_RDMA_WRITE},
        {.wr_id = 1, .sg_list = &faulty, .num_sge = 1, .opcode = each->opcode},
        {.wr_id = 2, .sg_list = &follower_source, .num_sge = 1, .opcode = IBV_WR_RDMA_WRITE},
        {.wr_id = 3, .sg_list = &follower_source, .num_sge = 1, .opcode = IBV_WR_RDMA_WRITE},
    };
    int first = has_good_request(session, each) ? 0 : 1;
    struct ibv_send_wr *bad = NULL;
    follower_source.length = FOLLOWER_BYTES;
    aim(&requests[0], target);
    aim(&requests[1], spoiled(each, target));
    if (first == 0) target.address += GOOD_BYTES;
    for (int i = 0; i < 4; i++) {
        if (i >= 2) aim(&requests[i], target);
        requests[i].next = i < 3 ? &requests[i + 1] : NULL;
        requests[i].send_flags = i < 3 ? IBV_SEND_SIGNALED : 0;
    }
    int error = ibv_post_send(group->lanes[0].qp, &requests[first], &bad);
    *was_refused = error == EINVAL && bad == &requests[1] && may_be_refused(session, each);
    if (error != 0 && !*was_refused) return fail(session, "posting the requests: %s", strerror(error));
    expect_requests(session, each, group, first, *was_refused ? 1 - first : 4 - first);
    return true;
}

static bool check_state(struct session *session, struct lane *lane)
{
    struct ibv_qp_attr attributes;
    struct ibv_qp_init_attr initial;
    int error = ibv_query_qp(lane->qp, &attributes, IBV_QP_STATE, &initial);
    if (error != 0) return fail(session, "querying a queue pair: %s", strerror(error));
    return attributes.qp_state == IBV_QPS_ERR ||
           fail(session, "after the fault the queue pair is in state %d", attributes.qp_state);
}

static bool request(struct session *session, const struct error_case *each, struct group *group,
                    struct local_end *local)
{
    struct target_address mine = {0, 0, 0};
    struct target_address theirs;
    uint64_t untouched = key_of(session->case_key, 31);
    uint8_t was_refused = 0;
    uint8_t nothing = 0;
    fill(session->case_key, 0, session->out.base, GOOD_BYTES);
    fill(untouched, 0, session->in.base + LOCAL_AT, PAGE);
    if (!open_local(session, each, local) ||
        !exchange(session, "the target of the fault", &mine, &theirs, sizeof mine) ||
        !post_requests(session, each, group, local, theirs, &was_refused) || !collect(session, group, each->name)) {
        return false;
    }
    bool breaks = each->requester != STATUS(SUCCESS) && !was_refused;
    return (!breaks || check_state(session, &group->lanes[0])) &&
           exchange(session, "the requests have ended", &was_refused, &nothing, 1) && is_quiet(session, group) &&
           matches(session, "the requester's memory", untouched, 0, session->in.base + LOCAL_AT, PAGE);
}

bool run_error(struct session *session, int index, int requester)
{
    const struct error_case *each = error_case(index);
    struct lane_options options = USUAL_LANES;
    struct target target = {.pages = NULL};
    struct local_end local = {.region = NULL};
    struct group group;
    if (each->fault == NO_RECEIVE) options.rnr_retry = 1;
    if (!peer_answers(each)) {
        options.timeout = 12;
        options.retry_count = 2;
    }
    if (each->fault == NO_QUEUE_PAIR_ACCESS) options.access &= ~access_needed(each->opcode);
    bool ok = group_open(session, &group, 1, &options);
    if (ok && session->side == requester) ok = request(session, each, &group, &local);
    if (ok && session->side != requester) ok = respond(session, each, &group, &target);
    // Queue pairs go before the memory that they use.
    ok = group_close(session, &group) && ok;
    ok = close_target(session, &target) && ok;
    return close_local(session, &local) && ok;
}
