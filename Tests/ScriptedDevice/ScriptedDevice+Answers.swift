import CVRDMAABI
import LinuxIO
import SharedMemory
import Verbs

extension ScriptedDevice.Script {
    mutating func reply(to command: vrdma_message, _ descriptors: [FileDescriptor]) -> vrdma_message {
        commands.append(command)
        var reply = command.reply()
        if let failure = failures[UInt32(command.opcode)] {
            reply.status = UInt32(bitPattern: failure.rawValue)
            return reply
        }
        let request = command.payload(as: vrdma_handle_command.self) ?? vrdma_handle_command()
        switch vrdma_opcode(UInt32(command.opcode)) {
        case VRDMA_OP_OPEN_CONTEXT:
            asyncSocket = descriptors.last
            reply.setPayload(vrdma_open_context_reply(context: 1, context_region: 1))
        case VRDMA_OP_QUERY_DEVICE: reply.setPayload(device)
        case VRDMA_OP_QUERY_PORT: reply.setPayload(port)
        case VRDMA_OP_QUERY_GID: answerGID(Int(request.index), &reply)
        case VRDMA_OP_QUERY_PKEY:
            reply.setPayload(vrdma_query_pkey_reply(pkey: 0xffff, reserved: (0, 0, 0)))
        case VRDMA_OP_CREATE_CQ:
            reply.setPayload(vrdma_handle_reply(handle: newHandle(), flags: completionQueueFlags))
        case VRDMA_OP_ALLOC_PD, VRDMA_OP_CREATE_COMP_CHANNEL, VRDMA_OP_CREATE_QP:
            reply.setPayload(vrdma_handle_reply(handle: newHandle(), flags: 0))
        case VRDMA_OP_REG_MR:
            let key = newHandle()
            reply.setPayload(vrdma_reg_mr_reply(lkey: key, rkey: key))
        case VRDMA_OP_ATTACH_REGION:
            reply.setPayload(vrdma_attach_region_reply(region: newHandle(), reserved: 0, size_bytes: 0))
        default: break
        }
        return reply
    }

    private func answerGID(_ index: Int, _ reply: inout vrdma_message) {
        guard index < gids.count else {
            reply.status = UInt32(bitPattern: Errno.invalidArgument.rawValue)
            return
        }
        var answer = vrdma_query_gid_reply()
        withUnsafeMutableBytes(of: &answer.gid) { $0.copyBytes(from: gids[index].bytes) }
        answer.gid_type = 2
        reply.setPayload(answer)
    }

    private mutating func newHandle() -> UInt32 {
        nextHandle += 1
        return nextHandle
    }
}

extension ScriptedDevice {
    /// Something like a soft-RoCE device whose limits are no powers of two.
    static var plainDevice: vrdma_query_device_reply {
        var device = vrdma_query_device_reply()
        device.max_mr_size_bytes = 1 << 40
        device.max_qp = 100
        device.max_qp_wr = 5000
        device.max_sge = 32
        device.max_cq = 100
        device.max_cqe = 32767
        device.max_mr = 100
        device.max_pd = 100
        device.max_qp_rd_atom = 64
        device.max_qp_init_rd_atom = 16
        device.max_res_rd_atom = 4096
        device.max_inline_bytes = 512
        device.gid_table_entries = 2
        device.port_count = 1
        return device
    }

    static var plainPort: vrdma_query_port_reply {
        var port = vrdma_query_port_reply()
        port.state = 4
        port.max_mtu = 5
        port.active_mtu = 3
        port.max_message_bytes = 8 << 20
        port.gid_table_entries = 2
        port.pkey_table_entries = 1
        port.link_layer = 2
        return port
    }
}
