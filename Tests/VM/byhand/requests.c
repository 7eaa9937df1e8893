// Posts requests, and waits for what becomes of them.

#include "byhand.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

static struct ibv_qp *queue_pair(struct program *program, const struct command *command)
{
    uint64_t index = number_of(command, 1);
    return index < (uint64_t)program->qp_count ? program->qps[index] : NULL;
}

static struct ibv_cq *completion_queue(struct program *program, uint64_t index)
{
    return index < (uint64_t)program->cq_count ? program->cqs[index] : NULL;
}

static int post(struct ibv_qp *qp, uint64_t wr_id, enum ibv_wr_opcode opcode, struct ibv_sge *element,
                uint64_t remote_address, uint32_t remote_key, unsigned flags, uint64_t compare_add, uint64_t swap)
{
    struct ibv_send_wr request = {
        .wr_id = wr_id, .sg_list = element, .num_sge = element->length == 0 ? 0 : 1, .opcode = opcode,
        .send_flags = flags};
    struct ibv_send_wr *bad;
    if (opcode == IBV_WR_ATOMIC_CMP_AND_SWP || opcode == IBV_WR_ATOMIC_FETCH_AND_ADD) {
        request.wr.atomic.remote_addr = remote_address;
        request.wr.atomic.rkey = remote_key;
        request.wr.atomic.compare_add = compare_add;
        request.wr.atomic.swap = swap;
    } else {
        request.wr.rdma.remote_addr = remote_address;
        request.wr.rdma.rkey = remote_key;
    }
    return ibv_post_send(qp, &request, &bad);
}

void post_send(struct program *program, const struct command *command)
{
    static uint64_t next_wr_id = 1;
    struct ibv_qp *qp = queue_pair(program, command);
    struct ibv_sge element = {.addr = number_of(command, 3), .length = (uint32_t)number_of(command, 4),
                              .lkey = (uint32_t)number_of(command, 5)};
    int error = qp == NULL ? EBADF
                           : post(qp, next_wr_id, (enum ibv_wr_opcode)number_of(command, 2), &element,
                                  number_of(command, 6), (uint32_t)number_of(command, 7),
                                  (unsigned)number_of(command, 8), number_of(command, 9), number_of(command, 10));
    if (error != 0) refuse("ibv_post_send", error);
    else answer("%llu", (unsigned long long)next_wr_id++);
}

void post_receive(struct program *program, const struct command *command)
{
    static uint64_t next_wr_id = 1000001;
    struct ibv_qp *qp = queue_pair(program, command);
    struct ibv_sge element = {.addr = number_of(command, 2), .length = (uint32_t)number_of(command, 3),
                              .lkey = (uint32_t)number_of(command, 4)};
    struct ibv_recv_wr request = {.wr_id = next_wr_id, .sg_list = &element, .num_sge = element.length == 0 ? 0 : 1};
    struct ibv_recv_wr *bad;
    int error = qp == NULL ? EBADF : ibv_post_recv(qp, &request, &bad);
    if (error != 0) refuse("ibv_post_recv", error);
    else answer("%llu", (unsigned long long)next_wr_id++);
}

void poll_completion(struct program *program, const struct command *command)
{
    struct ibv_cq *cq = completion_queue(program, number_of(command, 1));
    uint64_t limit = now_milliseconds() + number_of(command, 2);
    struct ibv_wc completion;
    int count = cq == NULL ? -1 : ibv_poll_cq(cq, 1, &completion);
    while (count == 0 && now_milliseconds() < limit) {
        usleep(1000);
        count = ibv_poll_cq(cq, 1, &completion);
    }
    if (count < 0) refuse("ibv_poll_cq", EINVAL);
    else if (count == 0) answer("none");
    else answer("%llu %d %d %u %u", (unsigned long long)completion.wr_id, completion.status, completion.opcode,
                completion.byte_len, completion.qp_num);
}

// Keeps DEPTH requests under way until one fails or the time is over, then waits for the rest.
void stream(struct program *program, const struct command *command)
{
    struct ibv_qp *qp = queue_pair(program, command);
    struct ibv_cq *cq = completion_queue(program, number_of(command, 2));
    struct ibv_sge element = {.addr = number_of(command, 4), .length = (uint32_t)number_of(command, 5),
                              .lkey = (uint32_t)number_of(command, 6)};
    uint64_t depth = number_of(command, 9);
    uint64_t started = now_milliseconds();
    uint64_t end = started + number_of(command, 10);
    uint64_t last = started;
    uint64_t longest_gap = 0;
    uint64_t posted = 0;
    uint64_t done = 0;
    uint64_t succeeded = 0;
    int status = 0;
    int error = qp == NULL || cq == NULL ? EBADF : 0;
    while (error == 0) {
        uint64_t now = now_milliseconds();
        bool finishing = status != 0 || now >= end;
        if (finishing && done == posted) break;
        while (!finishing && error == 0 && posted - done < depth) {
            error = post(qp, posted, (enum ibv_wr_opcode)number_of(command, 3), &element, number_of(command, 7),
                         (uint32_t)number_of(command, 8), 0, 1, 1);
            if (error == 0) posted++;
        }
        struct ibv_wc completions[MAX_COMPLETIONS];
        int count = ibv_poll_cq(cq, MAX_COMPLETIONS, completions);
        if (count < 0) error = EIO;
        for (int index = 0; index < count; index++) {
            if (completions[index].status == IBV_WC_SUCCESS) succeeded++;
            else if (status == 0) status = (int)completions[index].status;
            done++;
        }
        if (now - last > longest_gap) longest_gap = now - last;
        if (count > 0) last = now;
        // The other side may have the same processor.
        else usleep(100);
    }
    if (error != 0) refuse("stream", error);
    else answer("%llu %d %llu %llu", (unsigned long long)succeeded, status, (unsigned long long)longest_gap,
                (unsigned long long)(now_milliseconds() - started));
}

void wait_for_event(struct program *program, const struct command *command)
{
    struct pollfd wanted = {.fd = program->context->async_fd, .events = POLLIN};
    if (poll(&wanted, 1, (int)number_of(command, 1)) != 1) {
        answer("none");
        return;
    }
    struct ibv_async_event event;
    if (ibv_get_async_event(program->context, &event) != 0) {
        refuse("ibv_get_async_event", errno);
        return;
    }
    ibv_ack_async_event(&event);
    answer("%d", event.event_type);
}
