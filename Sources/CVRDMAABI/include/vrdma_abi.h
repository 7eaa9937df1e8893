/*
 * vRDMA shared-memory and command ABI.
 *
 * Everything that two processes of vRDMA exchange is declared here and nowhere
 * else: the hello on a Unix socket, the command channel between guest driver
 * and endpoint, the doorbells of a context, and the rings of queue pairs and
 * completion queues.  docs/abi.md describes it in prose; Tests/System/abi
 * declares it a second time, in another language, and checks a live endpoint.
 *
 * Rules:
 *  - little-endian, fixed-width, naturally aligned fields; no padding that is
 *    not named `reserved`, which the writer sets to zero.
 *  - memory is named by (region id, offset): never by a file descriptor or by
 *    an address of either side, because a virtual machine's channel has none.
 *  - ring indices run freely through 32 bits and are masked on use;
 *    `tail - head` beyond the number of entries is a violation.
 *  - a field has one writer, named in its comment.
 *  - the major version changes when an old peer would misunderstand; what may
 *    be absent is announced by a feature bit instead.
 */
#ifndef VRDMA_ABI_H
#define VRDMA_ABI_H

#include <stddef.h>
#include <stdint.h>

#define VRDMA_ABI_MAGIC 0x414d4452u /* "RDMA" */
#define VRDMA_ABI_MAJOR 1u
#define VRDMA_ABI_MINOR 0u

#define VRDMA_CACHE_LINE_BYTES 64u
#define VRDMA_PAGE_BYTES 4096u

/* Feature bits of hello and welcome: the intersection is in force. */
#define VRDMA_FEATURE_RC (1ull << 0)             /* reliable connection */
#define VRDMA_FEATURE_ATOMICS (1ull << 1)        /* 8-byte atomics, host byte order */
#define VRDMA_FEATURE_ZERO_BASED (1ull << 2)     /* zero-based memory regions */
#define VRDMA_FEATURE_ARM_CQ (1ull << 3)         /* VRDMA_OP_ARM_CQ, and `flags` of vrdma_handle_reply */

/* ------------------------------------------------------------------ */
/* Hello and welcome (first message in each direction on a socket)     */

#define VRDMA_NAME_BYTES 64u

enum vrdma_role {
    VRDMA_ROLE_GUEST_DRIVER = 1, /* guest driver to endpoint */
    VRDMA_ROLE_APPLICATION = 2,  /* application to guest driver */
};

/*
 * From a guest driver: accompanied by two descriptors, the sealed memfd of the
 * channel and the eventfd by which the endpoint is woken.  From an
 * application: no descriptors.
 */
struct vrdma_hello {
    uint32_t magic;
    uint16_t major;        /* the version that the sender speaks */
    uint16_t minor;
    uint32_t role;         /* enum vrdma_role */
    uint32_t reserved0;
    uint64_t features;
    uint8_t guest_name[VRDMA_NAME_BYTES]; /* UTF-8, zero-filled */
    uint8_t address[16];   /* the guest's GID: IPv6 or IPv4-mapped */
    uint64_t reserved[2];
};

/* `status` 0, or an errno value with the reason in `message`; after an error the sender closes. */
struct vrdma_welcome {
    uint32_t magic;
    uint16_t major;
    uint16_t minor;
    uint32_t status;
    uint32_t guest_id;
    uint64_t features;
    uint8_t guest_name[VRDMA_NAME_BYTES];
    uint8_t address[16];
    uint8_t message[128];  /* UTF-8, zero-filled */
};

/* ------------------------------------------------------------------ */
/* Command channel: one memfd of the guest driver                      */

#define VRDMA_MESSAGE_BYTES 256u
#define VRDMA_MESSAGE_PAYLOAD_BYTES 232u

/*
 * At offset 0 of the channel.  The rings' entries are struct vrdma_message.
 * Each index and each wake-up word has a cache line of its own.
 */
struct vrdma_channel_header {
    uint32_t magic;
    uint16_t major;
    uint16_t minor;
    uint32_t command_entries;    /* power of two */
    uint32_t command_offset;     /* from the start of the channel */
    uint32_t completion_entries; /* power of two */
    uint32_t completion_offset;
    uint32_t reserved0[10];

    uint32_t command_tail;       /* guest driver */
    uint32_t reserved1[15];
    uint32_t command_head;       /* endpoint */
    uint32_t reserved2[15];
    uint32_t completion_tail;    /* endpoint */
    uint32_t reserved3[15];
    uint32_t completion_head;    /* guest driver */
    uint32_t reserved4[15];
    uint32_t endpoint_kick_wanted;     /* endpoint sets, guest driver clears and kicks */
    uint32_t reserved5[15];
    uint32_t guest_driver_kick_wanted; /* guest driver sets, endpoint clears and kicks */
    uint32_t reserved6[15];
};

enum vrdma_opcode {
    VRDMA_OP_INVALID = 0,
    VRDMA_OP_OPEN_CONTEXT = 1,    /* descriptors: context memfd, kick eventfd, async event socket */
    VRDMA_OP_CLOSE_CONTEXT = 2,
    VRDMA_OP_ATTACH_REGION = 3,   /* descriptor: memfd */
    VRDMA_OP_DETACH_REGION = 4,
    VRDMA_OP_QUERY_DEVICE = 5,
    VRDMA_OP_QUERY_PORT = 6,
    VRDMA_OP_QUERY_GID = 7,
    VRDMA_OP_QUERY_PKEY = 8,
    VRDMA_OP_ALLOC_PD = 9,
    VRDMA_OP_DEALLOC_PD = 10,
    VRDMA_OP_REG_MR = 11,
    VRDMA_OP_DEREG_MR = 12,
    VRDMA_OP_CREATE_COMP_CHANNEL = 13, /* descriptor: event socket */
    VRDMA_OP_DESTROY_COMP_CHANNEL = 14,
    VRDMA_OP_CREATE_CQ = 15,
    VRDMA_OP_DESTROY_CQ = 16,
    VRDMA_OP_CREATE_QP = 17,
    VRDMA_OP_MODIFY_QP = 18,
    VRDMA_OP_QUERY_QP = 19,
    VRDMA_OP_DESTROY_QP = 20,
    VRDMA_OP_ARM_CQ = 21,
    VRDMA_OP_LAST = 21,
    VRDMA_OP_ASYNC_EVENT = 0x8001, /* endpoint to guest driver, unasked */
};

/*
 * A command, its reply (same sequence and opcode), or an unasked event.
 * The same message travels in the channel's rings and, between application
 * and guest driver, as one packet of a SOCK_SEQPACKET socket with the
 * descriptors of the opcode attached.  In the channel, descriptors travel
 * beside it: the guest driver first sends a struct vrdma_descriptor_packet on
 * its socket, with the same token as in the command.
 */
struct vrdma_message {
    uint32_t sequence;
    uint16_t opcode;
    uint16_t payload_bytes;
    uint32_t context;          /* filled in by the guest driver; 0 in OPEN_CONTEXT */
    uint32_t status;           /* in a reply: 0 or an errno value */
    uint64_t descriptor_token; /* 0: no descriptors */
    uint64_t payload[VRDMA_MESSAGE_PAYLOAD_BYTES / 8];
};

#define VRDMA_MAX_DESCRIPTORS 3u

/* Guest driver to endpoint, on the socket, with the descriptors attached. */
struct vrdma_descriptor_packet {
    uint32_t magic;
    uint32_t descriptor_count;
    uint64_t token; /* not 0, never reused on this connection */
};

/* Payloads.  *_command goes down, *_reply comes back; missing ones are empty. */

struct vrdma_memory_name {
    uint32_t region;
    uint32_t reserved;
    uint64_t offset;
};

struct vrdma_open_context_command {
    uint32_t process_id; /* for display only; nothing is granted by it */
    uint32_t reserved;
    uint8_t process_name[32];
};

struct vrdma_open_context_reply {
    uint32_t context;
    uint32_t context_region; /* the region id of the context memfd */
};

struct vrdma_attach_region_reply {
    uint32_t region;
    uint32_t reserved;
    uint64_t size_bytes;
};

struct vrdma_handle_command {
    uint32_t handle; /* region, PD, CQ, channel handle, memory key, QP number or port, by opcode */
    uint32_t index;  /* GID or P_Key index; ARM_CQ: 1 for solicited completions only, 0 for any */
};

struct vrdma_query_device_reply {
    uint64_t max_mr_size_bytes;
    uint64_t node_guid;        /* network byte order */
    uint64_t page_size_cap;
    uint32_t max_qp;
    uint32_t max_qp_wr;
    uint32_t max_sge;
    uint32_t max_cq;
    uint32_t max_cqe;
    uint32_t max_mr;
    uint32_t max_pd;
    uint32_t max_qp_rd_atom;
    uint32_t max_qp_init_rd_atom;
    uint32_t max_res_rd_atom;
    uint32_t max_inline_bytes;
    uint32_t device_cap_flags;
    uint32_t vendor_id;
    uint32_t vendor_part_id;
    uint32_t hardware_version;
    uint32_t gid_table_entries;
    uint32_t port_count;
    uint32_t atomic_capability; /* as enum ibv_atomic_cap */
    uint32_t guest_id;
    uint32_t reserved;
    uint8_t guest_name[32];     /* its first 31 bytes */
};

struct vrdma_query_port_reply {
    uint32_t state;          /* as enum ibv_port_state */
    uint32_t max_mtu;        /* as enum ibv_mtu */
    uint32_t active_mtu;
    uint32_t max_message_bytes;
    uint32_t port_cap_flags;
    uint32_t gid_table_entries;
    uint32_t pkey_table_entries;
    uint32_t active_speed;
    uint32_t active_width;
    uint32_t physical_state;
    uint32_t link_layer;
    uint32_t reserved;
};

struct vrdma_query_gid_reply {
    uint8_t gid[16];
    uint32_t gid_type; /* 2: RoCE v2 */
    uint32_t reserved;
};

struct vrdma_query_pkey_reply {
    uint16_t pkey;           /* network byte order */
    uint16_t reserved[3];
};

/* CREATE_CQ: solicited completions are told from others only after VRDMA_OP_ARM_CQ. */
#define VRDMA_CQ_ARM_BY_COMMAND (1u << 0)

struct vrdma_handle_reply {
    uint32_t handle;
    uint32_t flags; /* CREATE_CQ: VRDMA_CQ_ARM_BY_COMMAND; else 0 */
};

#define VRDMA_INLINE_EXTENTS 7u

/* A piece of a memory region: `length` bytes at `offset` of a region (memfd). */
struct vrdma_extent {
    uint32_t region;
    uint32_t reserved;
    uint64_t offset;
    uint64_t length;
};

/*
 * The extents cover [start, start + length) without a hole, in order.  Up to
 * VRDMA_INLINE_EXTENTS stand here; with more, all stand in a table in shared
 * memory, and extents[0] names the table.
 */
struct vrdma_reg_mr_command {
    uint64_t start;    /* virtual address that requests use (0 for zero-based) */
    uint64_t length;
    uint32_t pd;
    uint32_t access;   /* as enum ibv_access_flags */
    uint32_t extent_count;
    uint32_t reserved;
    struct vrdma_extent extents[VRDMA_INLINE_EXTENTS];
};

struct vrdma_reg_mr_reply {
    uint32_t lkey;
    uint32_t rkey;
};

struct vrdma_create_cq_command {
    struct vrdma_memory_name queue; /* struct vrdma_queue_header, entries behind it */
    uint32_t entries;               /* power of two */
    uint32_t comp_channel;          /* handle, or 0 */
    uint32_t slot;                  /* echoed in events, so that the application finds its object */
    uint32_t reserved;
};

enum vrdma_qp_type {
    VRDMA_QPT_RC = 2, /* as enum ibv_qp_type */
};

#define VRDMA_QP_SIGNAL_ALL (1u << 0) /* sq_sig_all */

struct vrdma_create_qp_command {
    struct vrdma_memory_name send_queue;    /* header, then entries of send_stride_bytes */
    struct vrdma_memory_name receive_queue; /* header, then entries of receive_stride_bytes */
    uint32_t send_entries;                  /* power of two */
    uint32_t receive_entries;               /* power of two, or 0 */
    uint32_t send_stride_bytes;             /* multiple of 64 */
    uint32_t receive_stride_bytes;          /* multiple of 16 */
    uint32_t max_send_sge;
    uint32_t max_receive_sge;
    uint32_t max_inline_bytes;
    uint32_t pd;
    uint32_t send_cq;
    uint32_t receive_cq;
    uint32_t type;                          /* enum vrdma_qp_type */
    uint32_t flags;
    uint32_t slot;                          /* of the context's doorbells, below max_qp; also in completions */
    uint32_t reserved;
};

/* Attributes in the units of struct ibv_qp_attr; `attribute_mask` as enum ibv_qp_attr_mask. */
struct vrdma_qp_attributes {
    uint32_t attribute_mask;
    uint32_t qp_state;
    uint32_t current_qp_state;
    uint32_t path_mtu;
    uint32_t path_migration_state;
    uint32_t qkey;
    uint32_t rq_psn;
    uint32_t sq_psn;
    uint32_t destination_qp_number;
    uint32_t access_flags;
    uint8_t destination_gid[16];
    uint32_t flow_label;
    uint16_t pkey_index;
    uint16_t alternate_pkey_index;
    uint16_t destination_lid;
    uint8_t source_gid_index;
    uint8_t hop_limit;
    uint8_t traffic_class;
    uint8_t service_level;
    uint8_t source_path_bits;
    uint8_t static_rate;
    uint8_t is_global;
    uint8_t address_port_number;
    uint8_t enable_sqd_async_notify;
    uint8_t sq_draining;
    uint8_t max_rd_atomic;
    uint8_t max_destination_rd_atomic;
    uint8_t min_rnr_timer;
    uint8_t port_number;
    uint8_t timeout;
    uint8_t retry_count;
    uint8_t rnr_retry;
    uint8_t alternate_port_number;
    uint8_t alternate_timeout;
    uint8_t reserved0[3];
    uint32_t rate_limit;
    uint32_t reserved1;
    uint64_t reserved[4];
};

struct vrdma_modify_qp_command {
    uint32_t qp_number;
    uint32_t reserved;
    struct vrdma_qp_attributes attributes;
};

struct vrdma_query_qp_reply {
    struct vrdma_qp_attributes attributes;
};

/* VRDMA_OP_ASYNC_EVENT's payload, and one packet of the context's async event socket. */
struct vrdma_async_event {
    uint32_t event_type; /* as enum ibv_event_type */
    uint32_t element;    /* QP number, CQ handle or port, by type */
    uint32_t slot;       /* of the QP or CQ */
    uint32_t reserved;
};

/* One packet of a completion channel's socket. */
struct vrdma_completion_event {
    uint32_t cq;   /* handle */
    uint32_t slot; /* as given in create */
};

/* ------------------------------------------------------------------ */
/* Context memory: one memfd of the application                        */

/*
 * Doorbells are a tree of bits, so that idle queues cost nothing: a queue's
 * bit in `leaves`, a bit per leaf word in `branches`, a bit per branch word in
 * `summary`.  The application sets bits from the leaf up, the endpoint takes
 * them (exchange with zero) from the summary down.  The send queue of slot n
 * is bit 2n, its receive queue bit 2n+1.
 */
#define VRDMA_DOORBELL_LEAF_WORDS 4096u
#define VRDMA_DOORBELL_BRANCH_WORDS 64u
#define VRDMA_DOORBELL_SLOTS (VRDMA_DOORBELL_LEAF_WORDS * 32u)

struct vrdma_context_header {
    uint32_t magic;
    uint16_t major;
    uint16_t minor;
    uint32_t reserved0[14];

    uint64_t summary;      /* application sets, endpoint clears */
    uint64_t reserved1[7];
    uint32_t kick_wanted;  /* endpoint sets before it stops looking, application clears and kicks */
    uint32_t reserved2[15];
    uint32_t endpoint_cpu; /* endpoint: the processor it runs on, plus one; 0 while it sleeps */
    uint32_t reserved3[15];
    uint64_t branches[VRDMA_DOORBELL_BRANCH_WORDS];
    uint64_t leaves[VRDMA_DOORBELL_LEAF_WORDS];
};

/* ------------------------------------------------------------------ */
/* Queues                                                              */

/* Stages of the request in progress, in the order in which its effects appear. */
enum vrdma_progress_stage {
    VRDMA_STAGE_NONE = 0,
    VRDMA_STAGE_DATA = 1,                /* copying, or the atomic was not applied yet */
    VRDMA_STAGE_RECEIVER_COMPLETION = 2, /* data is there; the receiver's completion may be missing */
    VRDMA_STAGE_REQUESTER_COMPLETION = 3,
};

/* What a successor of the endpoint needs in order to finish one request and not to do it twice. */
struct vrdma_progress {
    uint32_t stage;            /* enum vrdma_progress_stage; written last */
    uint32_t index;            /* of the send queue entry */
    uint64_t bytes_done;
    uint64_t atomic_original;
    uint32_t receive_index;    /* of the peer's receive queue */
    uint32_t receive_cq_tail;  /* of the peer's receive CQ before its completion */
    uint32_t send_cq_tail;     /* of the requester's CQ before its completion */
    uint32_t reserved[7];
};

#define VRDMA_CQ_ARM_ANY 1u
#define VRDMA_CQ_ARM_SOLICITED 2u

/* Before the entries of every queue.  One line per writer. */
struct vrdma_queue_header {
    /* application */
    uint32_t application_index; /* SQ, RQ: tail (next entry to post). CQ: head (next entry to poll) */
    uint32_t arm;               /* CQ: (sequence << 2) | VRDMA_CQ_ARM_*; a new sequence arms again */
    uint32_t reserved0[14];
    /* endpoint, rarely */
    uint32_t doorbell_wanted;   /* SQ, RQ: 1 when the endpoint is not looking at the queue by itself */
    uint32_t arm_served;        /* CQ: the value of `arm` that was last answered by an event */
    uint32_t reserved1[14];
    /* endpoint, with each request */
    uint32_t endpoint_index;    /* SQ, RQ: head. CQ: tail */
    uint32_t psn;               /* SQ: next PSN to send. RQ: next PSN expected */
    uint32_t reserved2[14];
    struct vrdma_progress progress; /* SQ: endpoint */
};

enum vrdma_wr_opcode { /* as enum ibv_wr_opcode */
    VRDMA_WR_RDMA_WRITE = 0,
    VRDMA_WR_RDMA_WRITE_WITH_IMM = 1,
    VRDMA_WR_SEND = 2,
    VRDMA_WR_SEND_WITH_IMM = 3,
    VRDMA_WR_RDMA_READ = 4,
    VRDMA_WR_ATOMIC_CMP_AND_SWP = 5,
    VRDMA_WR_ATOMIC_FETCH_AND_ADD = 6,
};

enum vrdma_send_flags { /* as enum ibv_send_flags */
    VRDMA_SEND_FENCE = 1 << 0,
    VRDMA_SEND_SIGNALED = 1 << 1,
    VRDMA_SEND_SOLICITED = 1 << 2,
    VRDMA_SEND_INLINE = 1 << 3,
};

/* Scatter/gather element, as struct ibv_sge. */
struct vrdma_sge {
    uint64_t address;
    uint32_t length;
    uint32_t lkey;
};

/* One send work request; behind it `sge_count` elements, or the inline data. */
struct vrdma_send_wqe {
    uint64_t wr_id;
    uint8_t opcode;         /* enum vrdma_wr_opcode */
    uint8_t flags;          /* enum vrdma_send_flags */
    uint16_t sge_count;     /* 0 with inline data */
    uint32_t immediate;     /* network byte order, or the rkey to invalidate */
    uint64_t remote_address;
    uint32_t rkey;
    uint32_t inline_bytes;
    union {
        struct {
            uint64_t compare_add;
            uint64_t swap;
        } atomic;
        struct {
            uint32_t address_handle;
            uint32_t remote_qp_number;
            uint32_t remote_qkey;
            uint32_t reserved;
        } datagram;
    } extension;
};

/* One receive work request; behind it `sge_count` elements. */
struct vrdma_receive_wqe {
    uint64_t wr_id;
    uint32_t sge_count;
    uint32_t reserved;
};

#define VRDMA_WC_FLAG_GRH (1u << 0) /* as enum ibv_wc_flags */
#define VRDMA_WC_FLAG_WITH_IMM (1u << 1)

/*
 * One completion.  Entry i of the ring (i running freely) is there when
 * `sequence` is i + 1; the endpoint writes that word last, with release.
 */
struct vrdma_cqe {
    uint64_t wr_id;
    uint32_t status;      /* as enum ibv_wc_status */
    uint32_t opcode;      /* as enum ibv_wc_opcode */
    uint32_t vendor_error;
    uint32_t byte_length;
    uint32_t immediate;   /* network byte order */
    uint32_t qp_number;
    uint32_t source_qp;
    uint32_t flags;       /* as enum ibv_wc_flags */
    uint32_t slot;        /* of the QP, as given in create */
    uint32_t wqe_index;   /* of the send or receive queue entry: it and all before it are free again */
    uint64_t timestamp_nanoseconds;
    uint32_t reserved;
    uint32_t sequence;
};

/* ------------------------------------------------------------------ */
/* Sizes and offsets                                                   */

#define VRDMA_ASSERT_SIZE(type, bytes) \
    _Static_assert(sizeof(struct type) == (bytes), "size of struct " #type)
#define VRDMA_ASSERT_OFFSET(type, field, bytes) \
    _Static_assert(offsetof(struct type, field) == (bytes), "offset of " #type "." #field)

VRDMA_ASSERT_SIZE(vrdma_hello, 120);
VRDMA_ASSERT_OFFSET(vrdma_hello, magic, 0);
VRDMA_ASSERT_OFFSET(vrdma_hello, major, 4);
VRDMA_ASSERT_OFFSET(vrdma_hello, minor, 6);
VRDMA_ASSERT_OFFSET(vrdma_hello, role, 8);
VRDMA_ASSERT_OFFSET(vrdma_hello, reserved0, 12);
VRDMA_ASSERT_OFFSET(vrdma_hello, features, 16);
VRDMA_ASSERT_OFFSET(vrdma_hello, guest_name, 24);
VRDMA_ASSERT_OFFSET(vrdma_hello, address, 88);
VRDMA_ASSERT_OFFSET(vrdma_hello, reserved, 104);
VRDMA_ASSERT_SIZE(vrdma_welcome, 232);
VRDMA_ASSERT_OFFSET(vrdma_welcome, magic, 0);
VRDMA_ASSERT_OFFSET(vrdma_welcome, major, 4);
VRDMA_ASSERT_OFFSET(vrdma_welcome, minor, 6);
VRDMA_ASSERT_OFFSET(vrdma_welcome, status, 8);
VRDMA_ASSERT_OFFSET(vrdma_welcome, guest_id, 12);
VRDMA_ASSERT_OFFSET(vrdma_welcome, features, 16);
VRDMA_ASSERT_OFFSET(vrdma_welcome, guest_name, 24);
VRDMA_ASSERT_OFFSET(vrdma_welcome, address, 88);
VRDMA_ASSERT_OFFSET(vrdma_welcome, message, 104);
VRDMA_ASSERT_SIZE(vrdma_channel_header, 448);
VRDMA_ASSERT_OFFSET(vrdma_channel_header, magic, 0);
VRDMA_ASSERT_OFFSET(vrdma_channel_header, major, 4);
VRDMA_ASSERT_OFFSET(vrdma_channel_header, minor, 6);
VRDMA_ASSERT_OFFSET(vrdma_channel_header, command_entries, 8);
VRDMA_ASSERT_OFFSET(vrdma_channel_header, command_offset, 12);
VRDMA_ASSERT_OFFSET(vrdma_channel_header, completion_entries, 16);
VRDMA_ASSERT_OFFSET(vrdma_channel_header, completion_offset, 20);
VRDMA_ASSERT_OFFSET(vrdma_channel_header, reserved0, 24);
VRDMA_ASSERT_OFFSET(vrdma_channel_header, command_tail, 64);
VRDMA_ASSERT_OFFSET(vrdma_channel_header, reserved1, 68);
VRDMA_ASSERT_OFFSET(vrdma_channel_header, command_head, 128);
VRDMA_ASSERT_OFFSET(vrdma_channel_header, reserved2, 132);
VRDMA_ASSERT_OFFSET(vrdma_channel_header, completion_tail, 192);
VRDMA_ASSERT_OFFSET(vrdma_channel_header, reserved3, 196);
VRDMA_ASSERT_OFFSET(vrdma_channel_header, completion_head, 256);
VRDMA_ASSERT_OFFSET(vrdma_channel_header, reserved4, 260);
VRDMA_ASSERT_OFFSET(vrdma_channel_header, endpoint_kick_wanted, 320);
VRDMA_ASSERT_OFFSET(vrdma_channel_header, reserved5, 324);
VRDMA_ASSERT_OFFSET(vrdma_channel_header, guest_driver_kick_wanted, 384);
VRDMA_ASSERT_OFFSET(vrdma_channel_header, reserved6, 388);
VRDMA_ASSERT_SIZE(vrdma_message, 256);
VRDMA_ASSERT_OFFSET(vrdma_message, sequence, 0);
VRDMA_ASSERT_OFFSET(vrdma_message, opcode, 4);
VRDMA_ASSERT_OFFSET(vrdma_message, payload_bytes, 6);
VRDMA_ASSERT_OFFSET(vrdma_message, context, 8);
VRDMA_ASSERT_OFFSET(vrdma_message, status, 12);
VRDMA_ASSERT_OFFSET(vrdma_message, descriptor_token, 16);
VRDMA_ASSERT_OFFSET(vrdma_message, payload, 24);
VRDMA_ASSERT_SIZE(vrdma_descriptor_packet, 16);
VRDMA_ASSERT_OFFSET(vrdma_descriptor_packet, magic, 0);
VRDMA_ASSERT_OFFSET(vrdma_descriptor_packet, descriptor_count, 4);
VRDMA_ASSERT_OFFSET(vrdma_descriptor_packet, token, 8);
VRDMA_ASSERT_SIZE(vrdma_memory_name, 16);
VRDMA_ASSERT_OFFSET(vrdma_memory_name, region, 0);
VRDMA_ASSERT_OFFSET(vrdma_memory_name, reserved, 4);
VRDMA_ASSERT_OFFSET(vrdma_memory_name, offset, 8);
VRDMA_ASSERT_SIZE(vrdma_open_context_command, 40);
VRDMA_ASSERT_OFFSET(vrdma_open_context_command, process_id, 0);
VRDMA_ASSERT_OFFSET(vrdma_open_context_command, reserved, 4);
VRDMA_ASSERT_OFFSET(vrdma_open_context_command, process_name, 8);
VRDMA_ASSERT_SIZE(vrdma_open_context_reply, 8);
VRDMA_ASSERT_OFFSET(vrdma_open_context_reply, context, 0);
VRDMA_ASSERT_OFFSET(vrdma_open_context_reply, context_region, 4);
VRDMA_ASSERT_SIZE(vrdma_attach_region_reply, 16);
VRDMA_ASSERT_OFFSET(vrdma_attach_region_reply, region, 0);
VRDMA_ASSERT_OFFSET(vrdma_attach_region_reply, reserved, 4);
VRDMA_ASSERT_OFFSET(vrdma_attach_region_reply, size_bytes, 8);
VRDMA_ASSERT_SIZE(vrdma_handle_command, 8);
VRDMA_ASSERT_OFFSET(vrdma_handle_command, handle, 0);
VRDMA_ASSERT_OFFSET(vrdma_handle_command, index, 4);
VRDMA_ASSERT_SIZE(vrdma_query_device_reply, 136);
VRDMA_ASSERT_OFFSET(vrdma_query_device_reply, max_mr_size_bytes, 0);
VRDMA_ASSERT_OFFSET(vrdma_query_device_reply, node_guid, 8);
VRDMA_ASSERT_OFFSET(vrdma_query_device_reply, page_size_cap, 16);
VRDMA_ASSERT_OFFSET(vrdma_query_device_reply, max_qp, 24);
VRDMA_ASSERT_OFFSET(vrdma_query_device_reply, max_qp_wr, 28);
VRDMA_ASSERT_OFFSET(vrdma_query_device_reply, max_sge, 32);
VRDMA_ASSERT_OFFSET(vrdma_query_device_reply, max_cq, 36);
VRDMA_ASSERT_OFFSET(vrdma_query_device_reply, max_cqe, 40);
VRDMA_ASSERT_OFFSET(vrdma_query_device_reply, max_mr, 44);
VRDMA_ASSERT_OFFSET(vrdma_query_device_reply, max_pd, 48);
VRDMA_ASSERT_OFFSET(vrdma_query_device_reply, max_qp_rd_atom, 52);
VRDMA_ASSERT_OFFSET(vrdma_query_device_reply, max_qp_init_rd_atom, 56);
VRDMA_ASSERT_OFFSET(vrdma_query_device_reply, max_res_rd_atom, 60);
VRDMA_ASSERT_OFFSET(vrdma_query_device_reply, max_inline_bytes, 64);
VRDMA_ASSERT_OFFSET(vrdma_query_device_reply, device_cap_flags, 68);
VRDMA_ASSERT_OFFSET(vrdma_query_device_reply, vendor_id, 72);
VRDMA_ASSERT_OFFSET(vrdma_query_device_reply, vendor_part_id, 76);
VRDMA_ASSERT_OFFSET(vrdma_query_device_reply, hardware_version, 80);
VRDMA_ASSERT_OFFSET(vrdma_query_device_reply, gid_table_entries, 84);
VRDMA_ASSERT_OFFSET(vrdma_query_device_reply, port_count, 88);
VRDMA_ASSERT_OFFSET(vrdma_query_device_reply, atomic_capability, 92);
VRDMA_ASSERT_OFFSET(vrdma_query_device_reply, guest_id, 96);
VRDMA_ASSERT_OFFSET(vrdma_query_device_reply, reserved, 100);
VRDMA_ASSERT_OFFSET(vrdma_query_device_reply, guest_name, 104);
VRDMA_ASSERT_SIZE(vrdma_query_port_reply, 48);
VRDMA_ASSERT_OFFSET(vrdma_query_port_reply, state, 0);
VRDMA_ASSERT_OFFSET(vrdma_query_port_reply, max_mtu, 4);
VRDMA_ASSERT_OFFSET(vrdma_query_port_reply, active_mtu, 8);
VRDMA_ASSERT_OFFSET(vrdma_query_port_reply, max_message_bytes, 12);
VRDMA_ASSERT_OFFSET(vrdma_query_port_reply, port_cap_flags, 16);
VRDMA_ASSERT_OFFSET(vrdma_query_port_reply, gid_table_entries, 20);
VRDMA_ASSERT_OFFSET(vrdma_query_port_reply, pkey_table_entries, 24);
VRDMA_ASSERT_OFFSET(vrdma_query_port_reply, active_speed, 28);
VRDMA_ASSERT_OFFSET(vrdma_query_port_reply, active_width, 32);
VRDMA_ASSERT_OFFSET(vrdma_query_port_reply, physical_state, 36);
VRDMA_ASSERT_OFFSET(vrdma_query_port_reply, link_layer, 40);
VRDMA_ASSERT_OFFSET(vrdma_query_port_reply, reserved, 44);
VRDMA_ASSERT_SIZE(vrdma_query_gid_reply, 24);
VRDMA_ASSERT_OFFSET(vrdma_query_gid_reply, gid, 0);
VRDMA_ASSERT_OFFSET(vrdma_query_gid_reply, gid_type, 16);
VRDMA_ASSERT_OFFSET(vrdma_query_gid_reply, reserved, 20);
VRDMA_ASSERT_SIZE(vrdma_query_pkey_reply, 8);
VRDMA_ASSERT_OFFSET(vrdma_query_pkey_reply, pkey, 0);
VRDMA_ASSERT_OFFSET(vrdma_query_pkey_reply, reserved, 2);
VRDMA_ASSERT_SIZE(vrdma_handle_reply, 8);
VRDMA_ASSERT_OFFSET(vrdma_handle_reply, handle, 0);
VRDMA_ASSERT_OFFSET(vrdma_handle_reply, flags, 4);
VRDMA_ASSERT_SIZE(vrdma_extent, 24);
VRDMA_ASSERT_OFFSET(vrdma_extent, region, 0);
VRDMA_ASSERT_OFFSET(vrdma_extent, reserved, 4);
VRDMA_ASSERT_OFFSET(vrdma_extent, offset, 8);
VRDMA_ASSERT_OFFSET(vrdma_extent, length, 16);
VRDMA_ASSERT_SIZE(vrdma_reg_mr_command, 200);
VRDMA_ASSERT_OFFSET(vrdma_reg_mr_command, start, 0);
VRDMA_ASSERT_OFFSET(vrdma_reg_mr_command, length, 8);
VRDMA_ASSERT_OFFSET(vrdma_reg_mr_command, pd, 16);
VRDMA_ASSERT_OFFSET(vrdma_reg_mr_command, access, 20);
VRDMA_ASSERT_OFFSET(vrdma_reg_mr_command, extent_count, 24);
VRDMA_ASSERT_OFFSET(vrdma_reg_mr_command, reserved, 28);
VRDMA_ASSERT_OFFSET(vrdma_reg_mr_command, extents, 32);
VRDMA_ASSERT_SIZE(vrdma_reg_mr_reply, 8);
VRDMA_ASSERT_OFFSET(vrdma_reg_mr_reply, lkey, 0);
VRDMA_ASSERT_OFFSET(vrdma_reg_mr_reply, rkey, 4);
VRDMA_ASSERT_SIZE(vrdma_create_cq_command, 32);
VRDMA_ASSERT_OFFSET(vrdma_create_cq_command, queue, 0);
VRDMA_ASSERT_OFFSET(vrdma_create_cq_command, entries, 16);
VRDMA_ASSERT_OFFSET(vrdma_create_cq_command, comp_channel, 20);
VRDMA_ASSERT_OFFSET(vrdma_create_cq_command, slot, 24);
VRDMA_ASSERT_OFFSET(vrdma_create_cq_command, reserved, 28);
VRDMA_ASSERT_SIZE(vrdma_create_qp_command, 88);
VRDMA_ASSERT_OFFSET(vrdma_create_qp_command, send_queue, 0);
VRDMA_ASSERT_OFFSET(vrdma_create_qp_command, receive_queue, 16);
VRDMA_ASSERT_OFFSET(vrdma_create_qp_command, send_entries, 32);
VRDMA_ASSERT_OFFSET(vrdma_create_qp_command, receive_entries, 36);
VRDMA_ASSERT_OFFSET(vrdma_create_qp_command, send_stride_bytes, 40);
VRDMA_ASSERT_OFFSET(vrdma_create_qp_command, receive_stride_bytes, 44);
VRDMA_ASSERT_OFFSET(vrdma_create_qp_command, max_send_sge, 48);
VRDMA_ASSERT_OFFSET(vrdma_create_qp_command, max_receive_sge, 52);
VRDMA_ASSERT_OFFSET(vrdma_create_qp_command, max_inline_bytes, 56);
VRDMA_ASSERT_OFFSET(vrdma_create_qp_command, pd, 60);
VRDMA_ASSERT_OFFSET(vrdma_create_qp_command, send_cq, 64);
VRDMA_ASSERT_OFFSET(vrdma_create_qp_command, receive_cq, 68);
VRDMA_ASSERT_OFFSET(vrdma_create_qp_command, type, 72);
VRDMA_ASSERT_OFFSET(vrdma_create_qp_command, flags, 76);
VRDMA_ASSERT_OFFSET(vrdma_create_qp_command, slot, 80);
VRDMA_ASSERT_OFFSET(vrdma_create_qp_command, reserved, 84);
VRDMA_ASSERT_SIZE(vrdma_qp_attributes, 128);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, attribute_mask, 0);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, qp_state, 4);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, current_qp_state, 8);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, path_mtu, 12);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, path_migration_state, 16);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, qkey, 20);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, rq_psn, 24);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, sq_psn, 28);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, destination_qp_number, 32);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, access_flags, 36);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, destination_gid, 40);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, flow_label, 56);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, pkey_index, 60);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, alternate_pkey_index, 62);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, destination_lid, 64);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, source_gid_index, 66);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, hop_limit, 67);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, traffic_class, 68);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, service_level, 69);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, source_path_bits, 70);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, static_rate, 71);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, is_global, 72);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, address_port_number, 73);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, enable_sqd_async_notify, 74);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, sq_draining, 75);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, max_rd_atomic, 76);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, max_destination_rd_atomic, 77);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, min_rnr_timer, 78);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, port_number, 79);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, timeout, 80);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, retry_count, 81);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, rnr_retry, 82);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, alternate_port_number, 83);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, alternate_timeout, 84);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, reserved0, 85);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, rate_limit, 88);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, reserved1, 92);
VRDMA_ASSERT_OFFSET(vrdma_qp_attributes, reserved, 96);
VRDMA_ASSERT_SIZE(vrdma_modify_qp_command, 136);
VRDMA_ASSERT_OFFSET(vrdma_modify_qp_command, qp_number, 0);
VRDMA_ASSERT_OFFSET(vrdma_modify_qp_command, reserved, 4);
VRDMA_ASSERT_OFFSET(vrdma_modify_qp_command, attributes, 8);
VRDMA_ASSERT_SIZE(vrdma_query_qp_reply, 128);
VRDMA_ASSERT_OFFSET(vrdma_query_qp_reply, attributes, 0);
VRDMA_ASSERT_SIZE(vrdma_async_event, 16);
VRDMA_ASSERT_OFFSET(vrdma_async_event, event_type, 0);
VRDMA_ASSERT_OFFSET(vrdma_async_event, element, 4);
VRDMA_ASSERT_OFFSET(vrdma_async_event, slot, 8);
VRDMA_ASSERT_OFFSET(vrdma_async_event, reserved, 12);
VRDMA_ASSERT_SIZE(vrdma_completion_event, 8);
VRDMA_ASSERT_OFFSET(vrdma_completion_event, cq, 0);
VRDMA_ASSERT_OFFSET(vrdma_completion_event, slot, 4);
VRDMA_ASSERT_SIZE(vrdma_context_header, 33536);
VRDMA_ASSERT_OFFSET(vrdma_context_header, magic, 0);
VRDMA_ASSERT_OFFSET(vrdma_context_header, major, 4);
VRDMA_ASSERT_OFFSET(vrdma_context_header, minor, 6);
VRDMA_ASSERT_OFFSET(vrdma_context_header, reserved0, 8);
VRDMA_ASSERT_OFFSET(vrdma_context_header, summary, 64);
VRDMA_ASSERT_OFFSET(vrdma_context_header, reserved1, 72);
VRDMA_ASSERT_OFFSET(vrdma_context_header, kick_wanted, 128);
VRDMA_ASSERT_OFFSET(vrdma_context_header, reserved2, 132);
VRDMA_ASSERT_OFFSET(vrdma_context_header, endpoint_cpu, 192);
VRDMA_ASSERT_OFFSET(vrdma_context_header, reserved3, 196);
VRDMA_ASSERT_OFFSET(vrdma_context_header, branches, 256);
VRDMA_ASSERT_OFFSET(vrdma_context_header, leaves, 768);
VRDMA_ASSERT_SIZE(vrdma_progress, 64);
VRDMA_ASSERT_OFFSET(vrdma_progress, stage, 0);
VRDMA_ASSERT_OFFSET(vrdma_progress, index, 4);
VRDMA_ASSERT_OFFSET(vrdma_progress, bytes_done, 8);
VRDMA_ASSERT_OFFSET(vrdma_progress, atomic_original, 16);
VRDMA_ASSERT_OFFSET(vrdma_progress, receive_index, 24);
VRDMA_ASSERT_OFFSET(vrdma_progress, receive_cq_tail, 28);
VRDMA_ASSERT_OFFSET(vrdma_progress, send_cq_tail, 32);
VRDMA_ASSERT_OFFSET(vrdma_progress, reserved, 36);
VRDMA_ASSERT_SIZE(vrdma_queue_header, 256);
VRDMA_ASSERT_OFFSET(vrdma_queue_header, application_index, 0);
VRDMA_ASSERT_OFFSET(vrdma_queue_header, arm, 4);
VRDMA_ASSERT_OFFSET(vrdma_queue_header, reserved0, 8);
VRDMA_ASSERT_OFFSET(vrdma_queue_header, doorbell_wanted, 64);
VRDMA_ASSERT_OFFSET(vrdma_queue_header, arm_served, 68);
VRDMA_ASSERT_OFFSET(vrdma_queue_header, reserved1, 72);
VRDMA_ASSERT_OFFSET(vrdma_queue_header, endpoint_index, 128);
VRDMA_ASSERT_OFFSET(vrdma_queue_header, psn, 132);
VRDMA_ASSERT_OFFSET(vrdma_queue_header, reserved2, 136);
VRDMA_ASSERT_OFFSET(vrdma_queue_header, progress, 192);
VRDMA_ASSERT_SIZE(vrdma_sge, 16);
VRDMA_ASSERT_OFFSET(vrdma_sge, address, 0);
VRDMA_ASSERT_OFFSET(vrdma_sge, length, 8);
VRDMA_ASSERT_OFFSET(vrdma_sge, lkey, 12);
VRDMA_ASSERT_SIZE(vrdma_send_wqe, 48);
VRDMA_ASSERT_OFFSET(vrdma_send_wqe, wr_id, 0);
VRDMA_ASSERT_OFFSET(vrdma_send_wqe, opcode, 8);
VRDMA_ASSERT_OFFSET(vrdma_send_wqe, flags, 9);
VRDMA_ASSERT_OFFSET(vrdma_send_wqe, sge_count, 10);
VRDMA_ASSERT_OFFSET(vrdma_send_wqe, immediate, 12);
VRDMA_ASSERT_OFFSET(vrdma_send_wqe, remote_address, 16);
VRDMA_ASSERT_OFFSET(vrdma_send_wqe, rkey, 24);
VRDMA_ASSERT_OFFSET(vrdma_send_wqe, inline_bytes, 28);
VRDMA_ASSERT_OFFSET(vrdma_send_wqe, extension, 32);
VRDMA_ASSERT_SIZE(vrdma_receive_wqe, 16);
VRDMA_ASSERT_OFFSET(vrdma_receive_wqe, wr_id, 0);
VRDMA_ASSERT_OFFSET(vrdma_receive_wqe, sge_count, 8);
VRDMA_ASSERT_OFFSET(vrdma_receive_wqe, reserved, 12);
VRDMA_ASSERT_SIZE(vrdma_cqe, 64);
VRDMA_ASSERT_OFFSET(vrdma_cqe, wr_id, 0);
VRDMA_ASSERT_OFFSET(vrdma_cqe, status, 8);
VRDMA_ASSERT_OFFSET(vrdma_cqe, opcode, 12);
VRDMA_ASSERT_OFFSET(vrdma_cqe, vendor_error, 16);
VRDMA_ASSERT_OFFSET(vrdma_cqe, byte_length, 20);
VRDMA_ASSERT_OFFSET(vrdma_cqe, immediate, 24);
VRDMA_ASSERT_OFFSET(vrdma_cqe, qp_number, 28);
VRDMA_ASSERT_OFFSET(vrdma_cqe, source_qp, 32);
VRDMA_ASSERT_OFFSET(vrdma_cqe, flags, 36);
VRDMA_ASSERT_OFFSET(vrdma_cqe, slot, 40);
VRDMA_ASSERT_OFFSET(vrdma_cqe, wqe_index, 44);
VRDMA_ASSERT_OFFSET(vrdma_cqe, timestamp_nanoseconds, 48);
VRDMA_ASSERT_OFFSET(vrdma_cqe, reserved, 56);
VRDMA_ASSERT_OFFSET(vrdma_cqe, sequence, 60);

#undef VRDMA_ASSERT_SIZE
#undef VRDMA_ASSERT_OFFSET

#endif
