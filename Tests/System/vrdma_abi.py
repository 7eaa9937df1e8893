"""The vRDMA ABI, declared a second time by hand.

Nothing here is generated from vrdma_abi.h: Tests/System/abi compares the two,
so that a slip in either shows.  Names are those of the header without their
prefix; docs/abi.md says what the fields mean.
"""

import ctypes
from ctypes import c_uint8 as u8, c_uint16 as u16, c_uint32 as u32, c_uint64 as u64

from vrdma_constants import *  # noqa: F401,F403 (one module for the users of the ABI)
from vrdma_constants import (DOORBELL_BRANCH_WORDS, DOORBELL_LEAF_WORDS, INLINE_EXTENTS, MESSAGE_PAYLOAD_BYTES,
                             NAME_BYTES)

# C name -> class, and C name -> size in bytes as this file states it.
STRUCTS = {}
SIZES = {}


def struct(c_name, size_bytes):
    """Registers a declaration under its C name and checks the size that is stated beside it."""
    def register(declaration):
        if ctypes.sizeof(declaration) != size_bytes:
            raise AssertionError(f"{c_name}: {ctypes.sizeof(declaration)} bytes declared, {size_bytes} stated")
        STRUCTS[c_name] = declaration
        SIZES[c_name] = size_bytes
        return declaration
    return register


@struct("vrdma_hello", 120)
class Hello(ctypes.LittleEndianStructure):
    _fields_ = [("magic", u32), ("major", u16), ("minor", u16), ("role", u32), ("reserved0", u32),
                ("features", u64), ("guest_name", u8 * NAME_BYTES), ("address", u8 * 16), ("reserved", u64 * 2)]


@struct("vrdma_welcome", 232)
class Welcome(ctypes.LittleEndianStructure):
    _fields_ = [("magic", u32), ("major", u16), ("minor", u16), ("status", u32), ("guest_id", u32),
                ("features", u64), ("guest_name", u8 * NAME_BYTES), ("address", u8 * 16), ("message", u8 * 128)]


@struct("vrdma_channel_header", 448)
class ChannelHeader(ctypes.LittleEndianStructure):
    _fields_ = [("magic", u32), ("major", u16), ("minor", u16), ("command_entries", u32), ("command_offset", u32),
                ("completion_entries", u32), ("completion_offset", u32), ("reserved0", u32 * 10),
                ("command_tail", u32), ("reserved1", u32 * 15),
                ("command_head", u32), ("reserved2", u32 * 15),
                ("completion_tail", u32), ("reserved3", u32 * 15),
                ("completion_head", u32), ("reserved4", u32 * 15),
                ("endpoint_kick_wanted", u32), ("reserved5", u32 * 15),
                ("guest_driver_kick_wanted", u32), ("reserved6", u32 * 15)]


@struct("vrdma_message", 256)
class Message(ctypes.LittleEndianStructure):
    _fields_ = [("sequence", u32), ("opcode", u16), ("payload_bytes", u16), ("context", u32), ("status", u32),
                ("descriptor_token", u64), ("payload", u64 * (MESSAGE_PAYLOAD_BYTES // 8))]


@struct("vrdma_descriptor_packet", 16)
class DescriptorPacket(ctypes.LittleEndianStructure):
    _fields_ = [("magic", u32), ("descriptor_count", u32), ("token", u64)]


@struct("vrdma_memory_name", 16)
class MemoryName(ctypes.LittleEndianStructure):
    _fields_ = [("region", u32), ("reserved", u32), ("offset", u64)]


@struct("vrdma_open_context_command", 40)
class OpenContextCommand(ctypes.LittleEndianStructure):
    _fields_ = [("process_id", u32), ("reserved", u32), ("process_name", u8 * 32)]


@struct("vrdma_open_context_reply", 8)
class OpenContextReply(ctypes.LittleEndianStructure):
    _fields_ = [("context", u32), ("context_region", u32)]


@struct("vrdma_attach_region_reply", 16)
class AttachRegionReply(ctypes.LittleEndianStructure):
    _fields_ = [("region", u32), ("reserved", u32), ("size_bytes", u64)]


@struct("vrdma_handle_command", 8)
class HandleCommand(ctypes.LittleEndianStructure):
    _fields_ = [("handle", u32), ("index", u32)]


@struct("vrdma_query_device_reply", 136)
class QueryDeviceReply(ctypes.LittleEndianStructure):
    _fields_ = [("max_mr_size_bytes", u64), ("node_guid", u64), ("page_size_cap", u64), ("max_qp", u32),
                ("max_qp_wr", u32), ("max_sge", u32), ("max_cq", u32), ("max_cqe", u32), ("max_mr", u32),
                ("max_pd", u32), ("max_qp_rd_atom", u32), ("max_qp_init_rd_atom", u32), ("max_res_rd_atom", u32),
                ("max_inline_bytes", u32), ("device_cap_flags", u32), ("vendor_id", u32), ("vendor_part_id", u32),
                ("hardware_version", u32), ("gid_table_entries", u32), ("port_count", u32),
                ("atomic_capability", u32), ("guest_id", u32), ("reserved", u32), ("guest_name", u8 * 32)]


@struct("vrdma_query_port_reply", 48)
class QueryPortReply(ctypes.LittleEndianStructure):
    _fields_ = [("state", u32), ("max_mtu", u32), ("active_mtu", u32), ("max_message_bytes", u32),
                ("port_cap_flags", u32), ("gid_table_entries", u32), ("pkey_table_entries", u32),
                ("active_speed", u32), ("active_width", u32), ("physical_state", u32), ("link_layer", u32),
                ("reserved", u32)]


@struct("vrdma_query_gid_reply", 24)
class QueryGIDReply(ctypes.LittleEndianStructure):
    _fields_ = [("gid", u8 * 16), ("gid_type", u32), ("reserved", u32)]


@struct("vrdma_query_pkey_reply", 8)
class QueryPKeyReply(ctypes.LittleEndianStructure):
    _fields_ = [("pkey", u16), ("reserved", u16 * 3)]


@struct("vrdma_handle_reply", 8)
class HandleReply(ctypes.LittleEndianStructure):
    _fields_ = [("handle", u32), ("flags", u32)]


@struct("vrdma_extent", 24)
class Extent(ctypes.LittleEndianStructure):
    _fields_ = [("region", u32), ("reserved", u32), ("offset", u64), ("length", u64)]


@struct("vrdma_reg_mr_command", 200)
class RegMRCommand(ctypes.LittleEndianStructure):
    _fields_ = [("start", u64), ("length", u64), ("pd", u32), ("access", u32), ("extent_count", u32),
                ("reserved", u32), ("extents", Extent * INLINE_EXTENTS)]


@struct("vrdma_reg_mr_reply", 8)
class RegMRReply(ctypes.LittleEndianStructure):
    _fields_ = [("lkey", u32), ("rkey", u32)]


@struct("vrdma_create_cq_command", 32)
class CreateCQCommand(ctypes.LittleEndianStructure):
    _fields_ = [("queue", MemoryName), ("entries", u32), ("comp_channel", u32), ("slot", u32), ("reserved", u32)]


@struct("vrdma_create_qp_command", 88)
class CreateQPCommand(ctypes.LittleEndianStructure):
    _fields_ = [("send_queue", MemoryName), ("receive_queue", MemoryName), ("send_entries", u32),
                ("receive_entries", u32), ("send_stride_bytes", u32), ("receive_stride_bytes", u32),
                ("max_send_sge", u32), ("max_receive_sge", u32), ("max_inline_bytes", u32), ("pd", u32),
                ("send_cq", u32), ("receive_cq", u32), ("type", u32), ("flags", u32), ("slot", u32),
                ("reserved", u32)]


@struct("vrdma_qp_attributes", 128)
class QPAttributes(ctypes.LittleEndianStructure):
    _fields_ = [("attribute_mask", u32), ("qp_state", u32), ("current_qp_state", u32), ("path_mtu", u32),
                ("path_migration_state", u32), ("qkey", u32), ("rq_psn", u32), ("sq_psn", u32),
                ("destination_qp_number", u32), ("access_flags", u32), ("destination_gid", u8 * 16),
                ("flow_label", u32), ("pkey_index", u16), ("alternate_pkey_index", u16), ("destination_lid", u16),
                ("source_gid_index", u8), ("hop_limit", u8), ("traffic_class", u8), ("service_level", u8),
                ("source_path_bits", u8), ("static_rate", u8), ("is_global", u8), ("address_port_number", u8),
                ("enable_sqd_async_notify", u8), ("sq_draining", u8), ("max_rd_atomic", u8),
                ("max_destination_rd_atomic", u8), ("min_rnr_timer", u8), ("port_number", u8), ("timeout", u8),
                ("retry_count", u8), ("rnr_retry", u8), ("alternate_port_number", u8), ("alternate_timeout", u8),
                ("reserved0", u8 * 3), ("rate_limit", u32), ("reserved1", u32), ("reserved", u64 * 4)]


@struct("vrdma_modify_qp_command", 136)
class ModifyQPCommand(ctypes.LittleEndianStructure):
    _fields_ = [("qp_number", u32), ("reserved", u32), ("attributes", QPAttributes)]


@struct("vrdma_query_qp_reply", 128)
class QueryQPReply(ctypes.LittleEndianStructure):
    _fields_ = [("attributes", QPAttributes)]


@struct("vrdma_async_event", 16)
class AsyncEvent(ctypes.LittleEndianStructure):
    _fields_ = [("event_type", u32), ("element", u32), ("slot", u32), ("reserved", u32)]


@struct("vrdma_completion_event", 8)
class CompletionEvent(ctypes.LittleEndianStructure):
    _fields_ = [("cq", u32), ("slot", u32)]


@struct("vrdma_context_header", 33536)
class ContextHeader(ctypes.LittleEndianStructure):
    _fields_ = [("magic", u32), ("major", u16), ("minor", u16), ("reserved0", u32 * 14),
                ("summary", u64), ("reserved1", u64 * 7),
                ("kick_wanted", u32), ("reserved2", u32 * 15),
                ("endpoint_cpu", u32), ("reserved3", u32 * 15),
                ("branches", u64 * DOORBELL_BRANCH_WORDS), ("leaves", u64 * DOORBELL_LEAF_WORDS)]


@struct("vrdma_progress", 64)
class Progress(ctypes.LittleEndianStructure):
    _fields_ = [("stage", u32), ("index", u32), ("bytes_done", u64), ("atomic_original", u64),
                ("receive_index", u32), ("receive_cq_tail", u32), ("send_cq_tail", u32), ("reserved", u32 * 7)]


@struct("vrdma_queue_header", 256)
class QueueHeader(ctypes.LittleEndianStructure):
    _fields_ = [("application_index", u32), ("arm", u32), ("reserved0", u32 * 14),
                ("doorbell_wanted", u32), ("arm_served", u32), ("reserved1", u32 * 14),
                ("endpoint_index", u32), ("psn", u32), ("reserved2", u32 * 14),
                ("progress", Progress)]


@struct("vrdma_sge", 16)
class SGE(ctypes.LittleEndianStructure):
    _fields_ = [("address", u64), ("length", u32), ("lkey", u32)]


class AtomicExtension(ctypes.LittleEndianStructure):
    _fields_ = [("compare_add", u64), ("swap", u64)]


class DatagramExtension(ctypes.LittleEndianStructure):
    _fields_ = [("address_handle", u32), ("remote_qp_number", u32), ("remote_qkey", u32), ("reserved", u32)]


class SendExtension(ctypes.Union):
    _fields_ = [("atomic", AtomicExtension), ("datagram", DatagramExtension)]


@struct("vrdma_send_wqe", 48)
class SendWQE(ctypes.LittleEndianStructure):
    _fields_ = [("wr_id", u64), ("opcode", u8), ("flags", u8), ("sge_count", u16), ("immediate", u32),
                ("remote_address", u64), ("rkey", u32), ("inline_bytes", u32), ("extension", SendExtension)]


@struct("vrdma_receive_wqe", 16)
class ReceiveWQE(ctypes.LittleEndianStructure):
    _fields_ = [("wr_id", u64), ("sge_count", u32), ("reserved", u32)]


@struct("vrdma_cqe", 64)
class CQE(ctypes.LittleEndianStructure):
    _fields_ = [("wr_id", u64), ("status", u32), ("opcode", u32), ("vendor_error", u32), ("byte_length", u32),
                ("immediate", u32), ("qp_number", u32), ("source_qp", u32), ("flags", u32), ("slot", u32),
                ("wqe_index", u32), ("timestamp_nanoseconds", u64), ("reserved", u32), ("sequence", u32)]


def fields(declaration, prefix="", base=0):
    """Yields (name, offset, size) of every field, those inside anonymous members with dotted names."""
    for name, kind, *_ in declaration._fields_:
        place = getattr(declaration, name)
        yield prefix + name, base + place.offset, ctypes.sizeof(kind)
        if isinstance(kind, type) and issubclass(kind, (ctypes.Structure, ctypes.Union)) \
                and kind not in STRUCTS.values():
            yield from fields(kind, prefix + name + ".", base + place.offset)
