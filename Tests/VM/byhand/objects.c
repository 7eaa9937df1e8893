// Makes, changes and takes away objects.

#include "byhand.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { PORT = 1, DEFAULT_DOMAIN = 0, MANY_QUEUE_ENTRIES = 16, MANY_REGION_BYTES = 4096, MINIMUM_RNR_TIMER = 12 };

static bool has_room(int count)
{
    if (count < MAX_OBJECTS) return true;
    refuse("too many objects for this program", E2BIG);
    return false;
}

// The protection domain of that number; the first is made when it is needed.
static struct ibv_pd *domain(struct program *program, uint64_t index)
{
    if (program->pd_count == 0) {
        program->pds[DEFAULT_DOMAIN] = ibv_alloc_pd(program->context);
        if (program->pds[DEFAULT_DOMAIN] == NULL) return NULL;
        program->pd_count = 1;
    }
    if (index >= (uint64_t)program->pd_count) {
        errno = EBADF;
        return NULL;
    }
    return program->pds[index];
}

static struct ibv_qp *queue_pair(struct program *program, const struct command *command)
{
    uint64_t index = number_of(command, 1);
    return index < (uint64_t)program->qp_count ? program->qps[index] : NULL;
}

void make_domain(struct program *program, const struct command *command)
{
    (void)command;
    if (!has_room(program->pd_count) || domain(program, DEFAULT_DOMAIN) == NULL) {
        refuse("ibv_alloc_pd", errno);
        return;
    }
    struct ibv_pd *made = ibv_alloc_pd(program->context);
    if (made == NULL) {
        refuse("ibv_alloc_pd", errno);
        return;
    }
    program->pds[program->pd_count] = made;
    answer("%d", program->pd_count++);
}

static void enter(struct program *program, struct region region)
{
    if (region.mr == NULL) {
        refuse("ibv_reg_mr", errno);
        return;
    }
    program->regions[program->region_count] = region;
    answer("%d 0x%llx 0x%x 0x%x", program->region_count++, (unsigned long long)(uintptr_t)region.mr->addr,
           region.mr->lkey, region.mr->rkey);
}

void make_region(struct program *program, const struct command *command)
{
    struct ibv_pd *pd = domain(program, number_of(command, 3));
    if (pd == NULL) {
        refuse("ibv_alloc_pd", errno);
        return;
    }
    if (!has_room(program->region_count)) return;
    size_t size = number_of(command, 1);
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        refuse("mmap", errno);
        return;
    }
    enter(program, (struct region){.mr = ibv_reg_mr(pd, base, size, (int)number_of(command, 2)), .base = base,
                                   .size = size});
}

void make_alias(struct program *program, const struct command *command)
{
    struct ibv_pd *pd = domain(program, number_of(command, 5));
    uint64_t index = number_of(command, 1);
    if (pd == NULL || index >= (uint64_t)program->region_count || !has_room(program->region_count)) {
        refuse("alias", EINVAL);
        return;
    }
    struct region *other = &program->regions[index];
    size_t size = command->count > 4 ? number_of(command, 4) : other->size;
    uint8_t *base = other->base + number_of(command, 3);
    enter(program, (struct region){.mr = ibv_reg_mr(pd, base, size, (int)number_of(command, 2)), .base = base,
                                   .size = size, .is_alias = true});
}

void drop_region(struct program *program, const struct command *command)
{
    uint64_t index = number_of(command, 1);
    if (index >= (uint64_t)program->region_count || program->regions[index].mr == NULL) {
        refuse("ibv_dereg_mr", EBADF);
        return;
    }
    int error = ibv_dereg_mr(program->regions[index].mr);
    if (error != 0) {
        refuse("ibv_dereg_mr", error);
        return;
    }
    program->regions[index].mr = NULL;
    answer("%llu", (unsigned long long)index);
}

void make_completion_queue(struct program *program, const struct command *command)
{
    if (!has_room(program->cq_count)) return;
    struct ibv_cq *made = ibv_create_cq(program->context, (int)number_of(command, 1), NULL, NULL, 0);
    if (made == NULL) {
        refuse("ibv_create_cq", errno);
        return;
    }
    program->cqs[program->cq_count] = made;
    answer("%d %d", program->cq_count++, made->cqe);
}

static struct ibv_qp *create(struct ibv_pd *pd, struct ibv_cq *cq, uint32_t depth, uint32_t inline_bytes)
{
    struct ibv_qp_init_attr attributes = {
        .send_cq = cq, .recv_cq = cq, .qp_type = IBV_QPT_RC, .sq_sig_all = 1,
        .cap = {.max_send_wr = depth, .max_recv_wr = depth, .max_send_sge = 1, .max_recv_sge = 1,
                .max_inline_data = inline_bytes}};
    return ibv_create_qp(pd, &attributes);
}

void make_queue_pair(struct program *program, const struct command *command)
{
    struct ibv_pd *pd = domain(program, number_of(command, 3));
    uint64_t cq = number_of(command, 1);
    if (pd == NULL || cq >= (uint64_t)program->cq_count) {
        refuse("ibv_create_qp", EBADF);
        return;
    }
    if (!has_room(program->qp_count)) return;
    struct ibv_qp *made =
        create(pd, program->cqs[cq], (uint32_t)number_of(command, 2), (uint32_t)number_of(command, 4));
    if (made == NULL) {
        refuse("ibv_create_qp", errno);
        return;
    }
    program->qps[program->qp_count] = made;
    answer("%d %u", program->qp_count++, made->qp_num);
}

void drop_queue_pair(struct program *program, const struct command *command)
{
    struct ibv_qp *qp = queue_pair(program, command);
    int error = qp == NULL ? EBADF : ibv_destroy_qp(qp);
    if (error != 0) {
        refuse("ibv_destroy_qp", error);
        return;
    }
    program->qps[number_of(command, 1)] = NULL;
    answer("dropped");
}

static bool read_gid(const char *text, union ibv_gid *gid)
{
    if (strlen(text) != 2 * sizeof gid->raw) return false;
    for (size_t index = 0; index < sizeof gid->raw; index++) {
        unsigned byte;
        if (sscanf(text + 2 * index, "%2x", &byte) != 1) return false;
        gid->raw[index] = (uint8_t)byte;
    }
    return true;
}

void connect_queue_pair(struct program *program, const struct command *command)
{
    struct ibv_qp *qp = queue_pair(program, command);
    struct ibv_port_attr port;
    struct ibv_qp_attr attributes = {
        .qp_state = IBV_QPS_INIT, .port_num = PORT,
        .qp_access_flags = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ |
                           IBV_ACCESS_REMOTE_ATOMIC};
    if (qp == NULL || command->count < 7 || !read_gid(command->words[2], &attributes.ah_attr.grh.dgid)) {
        refuse("connect", EINVAL);
        return;
    }
    int error = ibv_query_port(program->context, PORT, &port);
    if (error != 0) {
        refuse("ibv_query_port", error);
        return;
    }
    error = ibv_modify_qp(qp, &attributes,
                          IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS);
    if (error != 0) {
        refuse("to INIT", error);
        return;
    }
    attributes.qp_state = IBV_QPS_RTR;
    attributes.path_mtu = port.active_mtu;
    attributes.dest_qp_num = (uint32_t)number_of(command, 3);
    attributes.max_dest_rd_atomic = 4;
    attributes.min_rnr_timer = MINIMUM_RNR_TIMER;
    attributes.ah_attr.is_global = 1;
    attributes.ah_attr.port_num = PORT;
    attributes.ah_attr.grh.sgid_index = (uint8_t)number_of(command, 4);
    attributes.ah_attr.grh.hop_limit = 64;
    error = ibv_modify_qp(qp, &attributes,
                          IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
                              IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER);
    if (error != 0) {
        refuse("to RTR", error);
        return;
    }
    attributes.qp_state = IBV_QPS_RTS;
    attributes.timeout = (uint8_t)number_of(command, 5);
    attributes.retry_cnt = (uint8_t)number_of(command, 6);
    attributes.rnr_retry = command->count > 7 ? (uint8_t)number_of(command, 7) : 7;
    attributes.max_rd_atomic = 4;
    error = ibv_modify_qp(qp, &attributes,
                          IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
                              IBV_QP_MAX_QP_RD_ATOMIC);
    if (error != 0) refuse("to RTS", error);
    else answer("connected");
}

void change_state(struct program *program, const struct command *command)
{
    struct ibv_qp *qp = queue_pair(program, command);
    struct ibv_qp_attr attributes = {.qp_state = (enum ibv_qp_state)number_of(command, 2)};
    int error = qp == NULL ? EBADF : ibv_modify_qp(qp, &attributes, IBV_QP_STATE);
    if (error != 0) refuse("ibv_modify_qp", error);
    else answer("%llu", (unsigned long long)number_of(command, 2));
}

// Makes one more of a kind; false when it was refused, with errno.
static bool make_one_more(struct program *program, const char *kind, uint8_t *memory)
{
    struct ibv_pd *pd = domain(program, DEFAULT_DOMAIN);
    if (strcmp(kind, "pd") == 0) return ibv_alloc_pd(program->context) != NULL;
    if (strcmp(kind, "cq") == 0) {
        return ibv_create_cq(program->context, MANY_QUEUE_ENTRIES, NULL, NULL, 0) != NULL;
    }
    if (strcmp(kind, "mr") == 0) return ibv_reg_mr(pd, memory, MANY_REGION_BYTES, IBV_ACCESS_LOCAL_WRITE) != NULL;
    if (program->cq_count == 0) {
        program->cqs[0] = ibv_create_cq(program->context, MANY_QUEUE_ENTRIES, NULL, NULL, 0);
        if (program->cqs[0] == NULL) return false;
        program->cq_count = 1;
    }
    return create(pd, program->cqs[0], 1, 0) != NULL;
}

void make_many(struct program *program, const struct command *command)
{
    static uint8_t memory[MANY_REGION_BYTES] __attribute__((aligned(4096)));
    if (command->count < 3) {
        refuse("many", EINVAL);
        return;
    }
    uint64_t limit = number_of(command, 2);
    uint64_t count = 0;
    errno = 0;
    while (count < limit && make_one_more(program, command->words[1], memory)) count++;
    answer("%llu %d", (unsigned long long)count, count < limit ? errno : 0);
}
