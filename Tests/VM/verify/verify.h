// A verification program for any device of libibverbs: two processes check every byte that RDMA moves between them.
//
// Usage: see options.c (`verify --help`). It uses only the standard interface of libibverbs, so that one binary runs on
// the kernel's devices and, through LD_LIBRARY_PATH, on the drop-in libibverbs.so.1.
//
// Both sides execute the same plan in step. Side 0 listens, side 1 connects and sends the plan. Each has an arena that
// data leaves (OUT) and one that data reaches (IN); everything that lies in them is a function of the seed, the case,
// the round and the place, so that stale, misplaced, lost and surplus bytes are all seen.

#ifndef VERIFY_H
#define VERIFY_H

#include <infiniband/verbs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_SIZES = 64, MAX_PIECES = 8, MAX_DEPTH = 8, LANE_QUEUE = 64, GUARD_BYTES = 64, MAX_CASES = 256 };

enum operation {
    OP_WRITE, OP_WRITE_IMM, OP_READ, OP_SEND, OP_SEND_IMM, OP_INLINE, OP_MULTI_SGE, OP_MIXED,
    OP_FETCH_ADD, OP_COMPARE_SWAP, OP_FENCE, OP_SOLICITED, OP_FLUSH, OP_ERRORS, OP_RECOVER, OP_COUNT
};

// What the connecting side decides for both; sent as it is, because both sides are little-endian machines.
struct plan {
    uint64_t seed;
    uint32_t operations;
    uint32_t iterations;
    uint32_t queue_pairs;
    uint32_t mtu_bytes;
    uint64_t memory_bytes;
    uint32_t timeout_seconds;
    uint32_t strict;
    uint32_t size_count;
    uint32_t sizes[MAX_SIZES];
};

struct options {
    struct plan plan;
    const char *device;
    const char *connect;
    const char *unix_path;
    int port;
    int gid_index;
    int ib_port;
    int duration_seconds;
    bool events;
    bool stop;
    bool verbose;
    bool json;
};

// What each side tells the other of its device and its arenas.
struct side_facts {
    union ibv_gid gid;
    uint64_t out_address;
    uint64_t in_address;
    uint32_t out_key;
    uint32_t in_key;
    uint32_t lid;
    uint32_t mtu_bytes;
    uint32_t max_sge;
    uint32_t read_depth;
    uint32_t inline_bytes;
    uint32_t has_atomics;
};

struct arena {
    uint8_t *base;
    size_t size;
    struct ibv_mr *region;
};

// A completion that must come. Statuses is a set of bits 1 << IBV_WC_…; opcode, length and immediate data are looked at
// only when the status is success, because the others are undefined then.
struct expectation {
    uint64_t wr_id;
    uint32_t statuses;
    int opcode;
    int64_t byte_len;
    bool has_immediate;
    uint32_t immediate;
};

struct expectation_queue {
    struct expectation entries[LANE_QUEUE];
    uint32_t head;
    uint32_t tail;
};

// One queue pair with the completions that it owes, in the order in which they must come.
struct lane {
    struct ibv_qp *qp;
    uint32_t index;
    uint32_t psn;
    uint32_t peer_number;
    uint32_t peer_psn;
    uint64_t next_wr_id;
    struct expectation_queue send;
    struct expectation_queue receive;
};

struct lane_options {
    int access;
    uint8_t timeout;
    uint8_t retry_count;
    uint8_t rnr_retry;
};

// Queue pairs that share two completion queues.
struct group {
    struct lane *lanes;
    uint32_t count;
    struct ibv_comp_channel *channel;
    struct ibv_cq *send_cq;
    struct ibv_cq *receive_cq;
    uint32_t outstanding;
    uint64_t unacknowledged_send;
    uint64_t unacknowledged_receive;
};

struct session {
    struct options options;
    struct plan plan;
    int side;
    int socket;
    bool peer_ended;
    bool peer_failed;
    struct ibv_context *context;
    struct ibv_pd *pd;
    struct ibv_port_attr port;
    struct ibv_device_attr attributes;
    struct arena out;
    struct arena in;
    struct side_facts mine;
    struct side_facts theirs;
    uint64_t case_key;
    uint64_t messages;
    uint64_t bytes;
    bool failed;
    char failure[512];
};

// options.c
void parse_options(struct options *options, int argc, char **argv);
const char *operation_name(int operation);

// pattern.c
uint64_t mix(uint64_t value);
uint64_t key_of(uint64_t parent, uint64_t part);
void fill(uint64_t key, uint64_t stream, uint8_t *bytes, size_t count);
bool matches(struct session *session, const char *what, uint64_t key, uint64_t stream, const uint8_t *bytes,
             size_t count);

// report.c
void say(struct session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool fail(struct session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));
double now_seconds(void);
void report_case(struct session *session, const char *title, bool passed);
void report_skip(const char *title, const char *reason);
int report_totals(struct session *session);

// wire.c
void wire_open(struct session *session);
bool exchange(struct session *session, const char *what, const void *mine, void *theirs, size_t size);
bool meet(struct session *session, const char *what);
bool peer_gave_up(struct session *session);
bool end_case(struct session *session, bool passed);

// device.c
void device_open(struct session *session);
void device_close(struct session *session);
bool arenas_open(struct session *session, size_t size);

// lanes.c
extern const struct lane_options USUAL_LANES;
bool group_open(struct session *session, struct group *group, uint32_t count, const struct lane_options *options);
bool group_connect(struct session *session, struct group *group, const struct lane_options *options);
bool lane_to_state(struct session *session, struct lane *lane, enum ibv_qp_state state);
bool group_close(struct session *session, struct group *group);

// completions.c
void expect_send(struct group *group, struct lane *lane, uint64_t wr_id, uint32_t statuses, int opcode,
                 int64_t byte_len);
void expect_receive(struct group *group, struct lane *lane, struct expectation expectation);
bool collect(struct session *session, struct group *group, const char *what);
bool take_one(struct session *session, struct group *group, struct ibv_cq *queue, const struct ibv_wc *completion);
bool is_quiet(struct session *session, struct group *group);
int poll_fd(struct session *session, int fd, int milliseconds);

// layout.c
struct piece {
    uint64_t at;
    uint64_t stream;
    uint32_t length;
};

struct layout {
    struct piece pieces[MAX_PIECES];
    int count;
    bool descending;
    uint32_t slack;
    uint64_t slot;
    uint64_t slot_end;
};

uint64_t slot_stride(uint32_t size);
void place(struct layout *layout, uint64_t key, uint64_t slot, uint32_t size, int pieces);
bool check_slot(struct session *session, const char *what, const struct arena *arena, const struct layout *layout,
                uint64_t background, uint64_t key);
void fill_slot(const struct arena *arena, const struct layout *layout, uint64_t background, const uint64_t *key);
int to_elements(const struct arena *arena, const struct layout *layout, bool slack, struct ibv_sge *elements);

// The operations; each returns false after fail().
bool run_transfers(struct session *session, int operation, const uint32_t *sizes, int count);
bool run_fetch_add(struct session *session);
bool run_compare_swap(struct session *session);
bool run_fence(struct session *session, const uint32_t *sizes, int count);
bool run_solicited(struct session *session);
bool run_flush(struct session *session);
bool run_recover(struct session *session);
int error_case_count(void);
const char *error_case_name(int index);
bool error_case_needs_atomics(int index);
bool run_error(struct session *session, int index, int requester);
uint32_t depth_for(uint32_t size);
uint32_t lanes_for(const struct plan *plan, uint32_t size);

#endif
