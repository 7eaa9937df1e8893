/*
 * The drop-in's private objects: the structure that an application sees, and
 * behind it what only the drop-in knows.  Swift does not promise the layout of
 * its own structures, therefore they are declared in C.
 */
#ifndef IB_VERBS_OBJECTS_H
#define IB_VERBS_OBJECTS_H

#include <infiniband/verbs.h>
#include <stdbool.h>
#include <stdint.h>

/* How many completions ibv_start_poll takes at once. */
#define DROP_IN_HELD_COMPLETIONS 16

/* The part of struct ibv_wc that a completion of the endpoint fills in. */
#define DROP_IN_COMPLETION_BYTES 40

/* Longest path of a Unix socket, with its zero (unix(7)). */
#define DROP_IN_SOCKET_PATH_BYTES 108

struct drop_in_device {
    struct ibv_device device;
    /*
     * Vendor libraries (libmlx5, libefa) look here, behind struct ibv_device,
     * for a pointer to their own operations, to tell their devices from others.
     */
    uint64_t zero[8];
    uint64_t node_guid; /* network byte order */
    char socket_path[DROP_IN_SOCKET_PATH_BYTES];
    char guest_name[64];
};

struct drop_in_context {
    struct verbs_context verbs;
    void *_Nullable provider; /* retained ProviderContext */
};

struct drop_in_pd {
    struct ibv_pd pd;
};

struct drop_in_mr {
    struct ibv_mr mr;
    /* What vendor libraries take for the kind (0: an ordinary region) and the access flags. */
    uint32_t kind;
    uint32_t access;
    void *_Nullable provider; /* retained ProviderMemoryRegion */
};

struct drop_in_comp_channel {
    struct ibv_comp_channel channel;
    void *_Nullable provider; /* retained ProviderCompletionChannel */
};

struct drop_in_cq {
    struct ibv_cq_ex ex; /* begins like struct ibv_cq */
    void *_Nullable provider;      /* ProviderCompletionQueue */
    /* Events given to the application; guarded by the mutex of ex. */
    uint32_t comp_events_reported;
    uint32_t async_events_reported;

    /*
     * Completions that ibv_start_poll took and that were not given out yet,
     * [held_next, held_count).  The caller has the lock until ibv_end_poll.
     */
    uint32_t poll_lock;
    uint32_t held_next;
    uint32_t held_count;
    struct drop_in_completion {
        struct ibv_wc completion;
        uint64_t timestamp_nanoseconds;
    } held[DROP_IN_HELD_COMPLETIONS];
};

struct drop_in_qp {
    struct ibv_qp_ex ex; /* begins with struct ibv_qp */
    bool is_extended;    /* created with operations of the ibv_wr_* interface */
    void *_Nullable provider;      /* ProviderQueuePair */
    struct ibv_qp_cap cap;
    uint32_t signal_all;
    uint32_t async_events_reported; /* guarded by the mutex of ex */

    /* The batch between ibv_wr_start and ibv_wr_complete. */
    void *_Nullable batch_entry;  /* the request that is being built, or NULL */
    uint32_t batch_count;
    int32_t batch_error;
};

_Static_assert(offsetof(struct drop_in_device, device) == 0, "device first");
_Static_assert(offsetof(struct drop_in_pd, pd) == 0, "pd first");
_Static_assert(offsetof(struct drop_in_mr, mr) == 0, "mr first");
_Static_assert(offsetof(struct drop_in_comp_channel, channel) == 0, "channel first");
_Static_assert(offsetof(struct drop_in_cq, ex) == 0, "cq first");
_Static_assert(offsetof(struct drop_in_qp, ex) == 0, "qp first");
_Static_assert(offsetof(struct ibv_cq_ex, async_events_completed) == offsetof(struct ibv_cq, async_events_completed),
               "struct ibv_cq_ex begins like struct ibv_cq");

/* The object around the structure that an application holds. */
static inline struct drop_in_context *_Nonnull drop_in_context_of(struct ibv_context *_Nonnull context)
{
    return (struct drop_in_context *)((char *)context - offsetof(struct drop_in_context, verbs.context));
}

static inline struct drop_in_completion *_Nonnull drop_in_held(struct drop_in_cq *_Nonnull queue)
{
    return queue->held;
}

/* __VERBS_ABI_IS_EXTENDED: the context lies in a struct verbs_context. */
static inline void drop_in_mark_extended(struct ibv_context *_Nonnull context)
{
    context->abi_compat = __VERBS_ABI_IS_EXTENDED;
}

/*
 * Private to rdma-core's own libraries, which link it: whether the kernel may
 * take objects away under an application.
 */
extern bool verbs_allow_disassociate_destroy;

#endif
