// The device, its protection domain, and the two arenas.

#include "verify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void die(const char *what, int error)
{
    fprintf(stderr, "verify: %s%s%s\n", what, error != 0 ? ": " : "", error != 0 ? strerror(error) : "");
    exit(1);
}

static struct ibv_context *open_named(const char *name)
{
    int count = 0;
    struct ibv_device **list = ibv_get_device_list(&count);
    if (list == NULL) die("cannot list the devices", errno);
    struct ibv_device *chosen = NULL;
    for (int i = 0; i < count && chosen == NULL; i++) {
        if (name == NULL || strcmp(ibv_get_device_name(list[i]), name) == 0) chosen = list[i];
    }
    if (chosen == NULL) die(name == NULL ? "there is no RDMA device" : "there is no RDMA device of that name", 0);
    struct ibv_context *context = ibv_open_device(chosen);
    if (context == NULL) die("cannot open the device", errno);
    ibv_free_device_list(list);
    return context;
}

// The GID of an IPv4 address is the one that both rxe and the drop-in route by; others may be link-local.
static int find_gid(struct session *session)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    for (int i = 0; i < session->port.gid_tbl_len; i++) {
        union ibv_gid gid;
        if (ibv_query_gid(session->context, (uint8_t)session->options.ib_port, i, &gid) != 0) continue;
        if (memcmp(gid.raw, mapped, sizeof mapped) == 0) return i;
    }
    return 0;
}

static void note_facts(struct session *session)
{
    struct side_facts *mine = &session->mine;
    struct ibv_device_attr *attributes = &session->attributes;
    int error = ibv_query_gid(session->context, (uint8_t)session->options.ib_port, session->options.gid_index,
                              &mine->gid);
    if (error != 0) die("cannot query the GID", errno);
    int depth = attributes->max_qp_rd_atom < attributes->max_qp_init_rd_atom ? attributes->max_qp_rd_atom
                                                                            : attributes->max_qp_init_rd_atom;
    mine->lid = session->port.lid;
    mine->mtu_bytes = 128u << session->port.active_mtu;
    mine->max_sge = (uint32_t)(attributes->max_sge < MAX_PIECES ? attributes->max_sge : MAX_PIECES);
    mine->read_depth = (uint32_t)(depth > 16 ? 16 : depth);
    mine->has_atomics = attributes->atomic_cap != IBV_ATOMIC_NONE;
}

// Queue pairs say only when they are made how much they take inline.
static void note_inline(struct session *session)
{
    struct ibv_cq *queue = ibv_create_cq(session->context, 16, NULL, NULL, 0);
    if (queue == NULL) die("cannot create a completion queue", errno);
    struct ibv_qp *qp = NULL;
    for (uint32_t wanted = 256; qp == NULL; wanted /= 2) {
        struct ibv_qp_init_attr attributes = {.send_cq = queue, .recv_cq = queue, .qp_type = IBV_QPT_RC};
        attributes.cap = (struct ibv_qp_cap){.max_send_wr = 4, .max_recv_wr = 4, .max_send_sge = 1, .max_recv_sge = 1,
                                             .max_inline_data = wanted};
        qp = ibv_create_qp(session->pd, &attributes);
        if (qp == NULL && wanted == 0) die("cannot create a queue pair", errno);
        session->mine.inline_bytes = wanted;
    }
    ibv_destroy_qp(qp);
    ibv_destroy_cq(queue);
}

void device_open(struct session *session)
{
    struct options *options = &session->options;
    session->context = open_named(options->device);
    int error = ibv_query_device(session->context, &session->attributes);
    if (error != 0) die("cannot query the device", error);
    error = ibv_query_port(session->context, (uint8_t)options->ib_port, &session->port);
    if (error != 0) die("cannot query the port", error);
    if (session->port.state != IBV_PORT_ACTIVE) die("the port is not active", 0);
    if (options->gid_index < 0) options->gid_index = find_gid(session);
    session->pd = ibv_alloc_pd(session->context);
    if (session->pd == NULL) die("cannot allocate a protection domain", errno);
    note_facts(session);
    note_inline(session);
    say(session, "device %s, GID index %d, MTU %u, inline %u", ibv_get_device_name(session->context->device),
        options->gid_index, session->mine.mtu_bytes, session->mine.inline_bytes);
}

static bool arena_open(struct session *session, struct arena *arena, size_t size)
{
    int access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE;
    if (session->mine.has_atomics) access |= IBV_ACCESS_REMOTE_ATOMIC;
    arena->size = size;
    arena->base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (arena->base == MAP_FAILED) die("cannot allocate memory", errno);
    arena->region = ibv_reg_mr(session->pd, arena->base, size, access);
    if (arena->region == NULL) die("cannot register memory", errno);
    return true;
}

bool arenas_open(struct session *session, size_t size)
{
    arena_open(session, &session->out, size);
    arena_open(session, &session->in, size);
    session->mine.out_address = (uintptr_t)session->out.base;
    session->mine.in_address = (uintptr_t)session->in.base;
    session->mine.out_key = session->out.region->rkey;
    session->mine.in_key = session->in.region->rkey;
    return exchange(session, "device and arenas", &session->mine, &session->theirs, sizeof session->mine);
}

static void arena_close(struct arena *arena)
{
    int error = ibv_dereg_mr(arena->region);
    if (error != 0) die("cannot deregister memory", error);
    munmap(arena->base, arena->size);
}

void device_close(struct session *session)
{
    arena_close(&session->out);
    arena_close(&session->in);
    int error = ibv_dealloc_pd(session->pd);
    if (error != 0) die("cannot deallocate the protection domain", error);
    error = ibv_close_device(session->context);
    if (error != 0) die("cannot close the device", error);
}
