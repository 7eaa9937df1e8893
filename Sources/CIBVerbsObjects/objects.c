#include "ib_verbs_objects.h"
#include "vrdma_abi.h"

bool verbs_allow_disassociate_destroy = false;

/* A completion is copied as it is: the first 40 bytes have one meaning on both sides. */
#define SAME_OFFSET(ours, theirs) \
    _Static_assert(offsetof(struct vrdma_cqe, ours) == offsetof(struct ibv_wc, theirs), "offset of " #theirs)

SAME_OFFSET(wr_id, wr_id);
SAME_OFFSET(status, status);
SAME_OFFSET(opcode, opcode);
SAME_OFFSET(vendor_error, vendor_err);
SAME_OFFSET(byte_length, byte_len);
SAME_OFFSET(immediate, imm_data);
SAME_OFFSET(qp_number, qp_num);
SAME_OFFSET(source_qp, src_qp);
SAME_OFFSET(flags, wc_flags);
_Static_assert(offsetof(struct ibv_wc, pkey_index) == DROP_IN_COMPLETION_BYTES, "what is copied");
_Static_assert(sizeof(struct ibv_wc) == DROP_IN_COMPLETION_BYTES + 8, "what is cleared");

/* So are scatter/gather elements. */
_Static_assert(sizeof(struct vrdma_sge) == sizeof(struct ibv_sge), "size of an element");
_Static_assert(offsetof(struct vrdma_sge, length) == offsetof(struct ibv_sge, length), "offset of length");
_Static_assert(offsetof(struct vrdma_sge, lkey) == offsetof(struct ibv_sge, lkey), "offset of lkey");

/* And numbers pass unchanged. */
#define SAME_VALUE(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), #theirs)

SAME_VALUE(VRDMA_WR_RDMA_WRITE, IBV_WR_RDMA_WRITE);
SAME_VALUE(VRDMA_WR_RDMA_WRITE_WITH_IMM, IBV_WR_RDMA_WRITE_WITH_IMM);
SAME_VALUE(VRDMA_WR_SEND, IBV_WR_SEND);
SAME_VALUE(VRDMA_WR_SEND_WITH_IMM, IBV_WR_SEND_WITH_IMM);
SAME_VALUE(VRDMA_WR_RDMA_READ, IBV_WR_RDMA_READ);
SAME_VALUE(VRDMA_WR_ATOMIC_CMP_AND_SWP, IBV_WR_ATOMIC_CMP_AND_SWP);
SAME_VALUE(VRDMA_WR_ATOMIC_FETCH_AND_ADD, IBV_WR_ATOMIC_FETCH_AND_ADD);
SAME_VALUE(VRDMA_SEND_FENCE, IBV_SEND_FENCE);
SAME_VALUE(VRDMA_SEND_SIGNALED, IBV_SEND_SIGNALED);
SAME_VALUE(VRDMA_SEND_SOLICITED, IBV_SEND_SOLICITED);
SAME_VALUE(VRDMA_SEND_INLINE, IBV_SEND_INLINE);
SAME_VALUE(VRDMA_QPT_RC, IBV_QPT_RC);
SAME_VALUE(VRDMA_WC_FLAG_GRH, IBV_WC_GRH);
SAME_VALUE(VRDMA_WC_FLAG_WITH_IMM, IBV_WC_WITH_IMM);
