// The server's part of the Swift examples, for any device of libibverbs: what a plain program must do to be their peer.
//
// Usage: swift_peer send-receive|write-read PORT GID-INDEX. Numbers and lines are those of Examples/SendReceive and
// Examples/WriteRead ("Agreement"), the pattern is that of Examples/OutOfBand. Exit status: 0 when every byte was as it
// should be.

#include <arpa/inet.h>
#include <errno.h>
#include <infiniband/verbs.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE_BYTES = 64, SEND_ROUNDS = 2000, SEND_BLOCK_BYTES = 64 << 10, SEND_SLOTS = 16, SEND_BLOCKS = 4000 };
enum { WRITE_ROUNDS = 20000, WRITE_BLOCK_BYTES = 1 << 20, WRITE_SLOTS = 8 };
enum { LINE_BYTES = 4096, FIRST_PSN = 0x1234, IDLE_SECONDS = 60 };

struct peer {
    struct ibv_context *context;
    struct ibv_pd *pd;
    struct ibv_cq *cq;
    struct ibv_qp *qp;
    struct ibv_port_attr port;
    union ibv_gid gid;
    int gid_index;
    FILE *in;
    FILE *out;
};

struct memory {
    uint8_t *bytes;
    struct ibv_mr *mr;
};

static void die(const char *what)
{
    fprintf(stderr, "swift_peer: %s: %s\n", what, errno != 0 ? strerror(errno) : "not as agreed");
    exit(1);
}

static void need(bool condition, const char *what)
{
    if (!condition) die(what);
}

static void pattern(uint64_t seed, uint8_t *bytes, size_t count)
{
    uint64_t state = seed * 0x9e3779b97f4a7c15ULL;
    for (size_t index = 0; index < count; index += 8) {
        state += 0x9e3779b97f4a7c15ULL;
        uint64_t mixed = state;
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
        mixed ^= mixed >> 31;
        memcpy(bytes + index, &mixed, 8);
    }
}

static bool is_pattern(uint64_t seed, const uint8_t *bytes, size_t count)
{
    static uint8_t expected[WRITE_BLOCK_BYTES];
    pattern(seed, expected, count);
    return memcmp(expected, bytes, count) == 0;
}

static void say(struct peer *peer, const char *line)
{
    need(fprintf(peer->out, "%s\n", line) > 0 && fflush(peer->out) == 0, "send to the other program");
}

static void hear(struct peer *peer, char *line)
{
    errno = 0;
    need(fgets(line, LINE_BYTES, peer->in) != NULL, "the other program ended");
    line[strcspn(line, "\n")] = 0;
}

static void expect(struct peer *peer, const char *wanted)
{
    char line[LINE_BYTES];
    hear(peer, line);
    errno = 0;
    need(strcmp(line, wanted) == 0, wanted);
}

static void open_peer(struct peer *peer, int port_number)
{
    struct ibv_device **list = ibv_get_device_list(NULL);
    need(list != NULL && list[0] != NULL, "no device");
    peer->context = ibv_open_device(list[0]);
    need(peer->context != NULL, "ibv_open_device");
    peer->pd = ibv_alloc_pd(peer->context);
    peer->cq = ibv_create_cq(peer->context, 1024, NULL, NULL, 0);
    need(peer->pd != NULL && peer->cq != NULL, "a protection domain and a completion queue");
    need(ibv_query_port(peer->context, 1, &peer->port) == 0, "ibv_query_port");
    need(ibv_query_gid(peer->context, 1, peer->gid_index, &peer->gid) == 0, "ibv_query_gid");
    struct ibv_qp_init_attr attributes = {
        .send_cq = peer->cq, .recv_cq = peer->cq, .qp_type = IBV_QPT_RC, .sq_sig_all = 1,
        .cap = {.max_send_wr = 512, .max_recv_wr = 2 * SEND_SLOTS, .max_send_sge = 1, .max_recv_sge = 1,
                .max_inline_data = MESSAGE_BYTES}};
    peer->qp = ibv_create_qp(peer->pd, &attributes);
    need(peer->qp != NULL, "ibv_create_qp");

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port_number)};
    int on = 1;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    need(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1) == 0, "listen");
    int connection = accept(listener, NULL, NULL);
    need(connection >= 0, "accept");
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    peer->in = fdopen(connection, "r");
    peer->out = fdopen(dup(connection), "w");
}

static struct memory make_memory(struct peer *peer, size_t size)
{
    struct memory memory = {.bytes = aligned_alloc(4096, size)};
    need(memory.bytes != NULL, "memory");
    memset(memory.bytes, 0, size);
    memory.mr = ibv_reg_mr(peer->pd, memory.bytes, size,
                           IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ);
    need(memory.mr != NULL, "ibv_reg_mr");
    return memory;
}

static void initialize(struct peer *peer)
{
    struct ibv_qp_attr attributes = {
        .qp_state = IBV_QPS_INIT, .port_num = 1,
        .qp_access_flags = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ};
    errno = ibv_modify_qp(peer->qp, &attributes,
                          IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS);
    need(errno == 0, "to INIT");
}

// An address is written as IPv4 where it is one.
static void read_address(const char *text, union ibv_gid *gid)
{
    struct in_addr four;
    if (inet_pton(AF_INET, text, &four) == 1) {
        memset(gid, 0, sizeof *gid);
        gid->raw[10] = gid->raw[11] = 0xff;
        memcpy(gid->raw + 12, &four, 4);
        return;
    }
    need(inet_pton(AF_INET6, text, gid->raw) == 1, text);
}

static void connect_peer(struct peer *peer)
{
    char line[LINE_BYTES];
    char address[INET6_ADDRSTRLEN];
    uint32_t number;
    uint32_t psn;
    union ibv_gid remote;
    inet_ntop(AF_INET6, peer->gid.raw, address, sizeof address);
    snprintf(line, sizeof line, "%s/%u/%u", strncmp(address, "::ffff:", 7) == 0 ? address + 7 : address,
             peer->qp->qp_num, FIRST_PSN);
    say(peer, line);
    hear(peer, line);
    errno = 0;
    need(sscanf(line, "%45[^/]/%u/%u", address, &number, &psn) == 3, line);
    read_address(address, &remote);
    struct ibv_qp_attr attributes = {
        .qp_state = IBV_QPS_RTR, .path_mtu = peer->port.active_mtu, .dest_qp_num = number, .rq_psn = psn,
        .max_dest_rd_atomic = 16, .min_rnr_timer = 12,
        .ah_attr = {.is_global = 1, .port_num = 1,
                    .grh = {.dgid = remote, .sgid_index = (uint8_t)peer->gid_index, .hop_limit = 64}}};
    errno = ibv_modify_qp(peer->qp, &attributes,
                          IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
                              IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER);
    need(errno == 0, "to RTR");
    attributes.qp_state = IBV_QPS_RTS;
    attributes.timeout = 14;
    attributes.retry_cnt = 7;
    attributes.rnr_retry = 7;
    attributes.sq_psn = FIRST_PSN;
    attributes.max_rd_atomic = 16;
    errno = ibv_modify_qp(peer->qp, &attributes,
                          IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
                              IBV_QP_MAX_QP_RD_ATOMIC);
    need(errno == 0, "to RTS");
}

static void receive_into(struct peer *peer, const struct memory *memory, uint64_t slot)
{
    struct ibv_sge element = {.addr = (uint64_t)(uintptr_t)memory->bytes + slot * SEND_BLOCK_BYTES,
                              .length = SEND_BLOCK_BYTES, .lkey = memory->mr->lkey};
    struct ibv_recv_wr request = {.wr_id = slot, .sg_list = &element, .num_sge = 1};
    struct ibv_recv_wr *bad;
    errno = ibv_post_recv(peer->qp, &request, &bad);
    need(errno == 0, "ibv_post_recv");
}

static void post(struct peer *peer, enum ibv_wr_opcode opcode, const void *bytes, uint32_t lkey, uint64_t address,
                 uint32_t key)
{
    struct ibv_sge element = {.addr = (uint64_t)(uintptr_t)bytes, .length = MESSAGE_BYTES, .lkey = lkey};
    struct ibv_send_wr request = {.sg_list = &element, .num_sge = 1, .opcode = opcode,
                                  .wr.rdma = {.remote_addr = address, .rkey = key}};
    struct ibv_send_wr *bad;
    errno = ibv_post_send(peer->qp, &request, &bad);
    need(errno == 0, "ibv_post_send");
}

static bool poll_once(struct peer *peer, struct ibv_wc *completion)
{
    errno = 0;
    int count = ibv_poll_cq(peer->cq, 1, completion);
    need(count >= 0, "ibv_poll_cq");
    need(count == 0 || completion->status == IBV_WC_SUCCESS,
         count == 0 ? "" : ibv_wc_status_str(completion->status));
    return count == 1;
}

static struct ibv_wc next_message(struct peer *peer)
{
    struct ibv_wc completion;
    time_t limit = time(NULL) + IDLE_SECONDS;
    while (!poll_once(peer, &completion) || !(completion.opcode & IBV_WC_RECV)) {
        need(time(NULL) < limit, "no message comes");
    }
    return completion;
}

static void serve_messages(struct peer *peer)
{
    struct memory incoming = make_memory(peer, SEND_SLOTS * SEND_BLOCK_BYTES);
    struct memory outgoing = make_memory(peer, MESSAGE_BYTES < 4096 ? 4096 : MESSAGE_BYTES);
    initialize(peer);
    for (uint64_t slot = 0; slot < SEND_SLOTS; slot++) receive_into(peer, &incoming, slot);
    connect_peer(peer);
    say(peer, "ready");
    expect(peer, "ready");
    for (uint64_t round = 0; round < SEND_ROUNDS; round++) {
        struct ibv_wc message = next_message(peer);
        errno = 0;
        need(message.byte_len == MESSAGE_BYTES &&
                 is_pattern(round, incoming.bytes + message.wr_id * SEND_BLOCK_BYTES, MESSAGE_BYTES),
             "a message");
        pattern(~round, outgoing.bytes, MESSAGE_BYTES);
        receive_into(peer, &incoming, message.wr_id);
        post(peer, IBV_WR_SEND, outgoing.bytes, outgoing.mr->lkey, 0, 0);
    }
    // Slot n of the sender has pattern n; which of this side's slots its blocks come to, the completions say.
    for (uint64_t block = 0; block < SEND_BLOCKS; block++) {
        struct ibv_wc message = next_message(peer);
        errno = 0;
        need(message.byte_len == SEND_BLOCK_BYTES &&
                 is_pattern(block % SEND_SLOTS, incoming.bytes + message.wr_id * SEND_BLOCK_BYTES, SEND_BLOCK_BYTES),
             "a block");
        receive_into(peer, &incoming, message.wr_id);
    }
    say(peer, "verified");
}

static void serve_writes(struct peer *peer)
{
    struct memory shared = make_memory(peer, (size_t)WRITE_SLOTS * WRITE_BLOCK_BYTES);
    struct memory outgoing = make_memory(peer, 4096);
    char line[LINE_BYTES];
    uint32_t key;
    uint64_t address;
    initialize(peer);
    connect_peer(peer);
    snprintf(line, sizeof line, "%x@%" PRIx64, shared.mr->rkey, (uint64_t)(uintptr_t)shared.bytes);
    say(peer, line);
    hear(peer, line);
    need(sscanf(line, "%x@%" SCNx64, &key, &address) == 2, line);
    say(peer, "ready");
    expect(peer, "ready");
    struct ibv_wc completion;
    for (uint64_t round = 0; round < WRITE_ROUNDS; round++) {
        uint8_t stamp = (uint8_t)(1 + round % 255);
        time_t limit = time(NULL) + IDLE_SECONDS;
        while (__atomic_load_n(shared.bytes + MESSAGE_BYTES - 1, __ATOMIC_ACQUIRE) != stamp) {
            poll_once(peer, &completion);
            need(time(NULL) < limit, "no write comes");
        }
        uint8_t first = (uint8_t)~stamp;
        errno = 0;
        need(shared.bytes[0] == first, "a write");
        memset(outgoing.bytes, 0, MESSAGE_BYTES);
        outgoing.bytes[0] = stamp;
        outgoing.bytes[MESSAGE_BYTES - 1] = stamp;
        // One memory for all of them is safe: the client answers a write before the next one is made.
        post(peer, IBV_WR_RDMA_WRITE, outgoing.bytes, outgoing.mr->lkey, address, key);
    }
    expect(peer, "written");
    for (uint64_t slot = 0; slot < WRITE_SLOTS; slot++) {
        errno = 0;
        need(is_pattern(slot, shared.bytes + slot * WRITE_BLOCK_BYTES, WRITE_BLOCK_BYTES), "a block");
    }
    say(peer, "verified");
    expect(peer, "read");
}

int main(int argc, char **argv)
{
    struct peer peer = {.gid_index = argc == 4 ? atoi(argv[3]) : 0};
    bool sends = argc == 4 && strcmp(argv[1], "send-receive") == 0;
    if (argc != 4 || (!sends && strcmp(argv[1], "write-read") != 0)) {
        fprintf(stderr, "Usage: swift_peer send-receive|write-read PORT GID-INDEX\n");
        return 2;
    }
    open_peer(&peer, atoi(argv[2]));
    if (sends) serve_messages(&peer);
    else serve_writes(&peer);
    return 0;
}
