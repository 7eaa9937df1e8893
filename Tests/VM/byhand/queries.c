// Asks the device.

#include "byhand.h"

#include <errno.h>
#include <stdio.h>

enum { PORT = 1 };

void query_gid(struct program *program, const struct command *command)
{
    union ibv_gid gid;
    char text[2 * sizeof gid.raw + 1];
    if (ibv_query_gid(program->context, PORT, (int)number_of(command, 1), &gid) != 0) {
        refuse("ibv_query_gid", errno);
        return;
    }
    for (size_t index = 0; index < sizeof gid.raw; index++) sprintf(text + 2 * index, "%02x", gid.raw[index]);
    answer("%s", text);
}

void query_device(struct program *program, const struct command *command)
{
    (void)command;
    struct ibv_device_attr limits;
    int error = ibv_query_device(program->context, &limits);
    if (error != 0) {
        refuse("ibv_query_device", error);
        return;
    }
    answer("max_qp=%d max_qp_wr=%d max_sge=%d max_sge_rd=%d max_cq=%d max_cqe=%d max_mr=%d max_pd=%d "
           "max_qp_rd_atom=%d max_qp_init_rd_atom=%d max_res_rd_atom=%d atomic_cap=%d flags=%u max_mr_size=%llu "
           "vendor_id=%u vendor_part_id=%u ports=%d",
           limits.max_qp, limits.max_qp_wr, limits.max_sge, limits.max_sge_rd, limits.max_cq, limits.max_cqe,
           limits.max_mr, limits.max_pd, limits.max_qp_rd_atom, limits.max_qp_init_rd_atom, limits.max_res_rd_atom,
           limits.atomic_cap, limits.device_cap_flags, (unsigned long long)limits.max_mr_size, limits.vendor_id,
           limits.vendor_part_id, limits.phys_port_cnt);
}

void query_port(struct program *program, const struct command *command)
{
    (void)command;
    struct ibv_port_attr port;
    int error = ibv_query_port(program->context, PORT, &port);
    if (error != 0) {
        refuse("ibv_query_port", error);
        return;
    }
    answer("state=%d max_mtu=%d active_mtu=%d max_msg_sz=%u link_layer=%d active_width=%d active_speed=%d "
           "phys_state=%d lid=%d",
           port.state, port.max_mtu, port.active_mtu, port.max_msg_sz, port.link_layer, port.active_width,
           port.active_speed, port.phys_state, port.lid);
}

void query_state(struct program *program, const struct command *command)
{
    uint64_t index = number_of(command, 1);
    struct ibv_qp *qp = index < (uint64_t)program->qp_count ? program->qps[index] : NULL;
    struct ibv_qp_attr attributes;
    struct ibv_qp_init_attr initial;
    int error = qp == NULL ? EBADF : ibv_query_qp(qp, &attributes, IBV_QP_STATE, &initial);
    if (error != 0) refuse("ibv_query_qp", error);
    else answer("%d", attributes.qp_state);
}
