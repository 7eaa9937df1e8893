import CVRDMAABI
import LinuxIO
import SharedMemory
import Verbs

/// Completion channels and completion queues.
extension Device {
    func createChannel(
        _ command: vrdma_message, guest: Guest, descriptors: [FileDescriptor]
    ) throws(Errno) -> vrdma_message {
        guard descriptors.count == 1, PacketSocket.isPacketSocket(descriptors[0]) else { throw .invalidArgument }
        guard guest.channels.count < guest.limits.completionChannelsPerGuest else { throw .outOfMemory }
        let handle = guest.newHandle { guest.channels[$0] != nil }
        guest.channels[handle] = CompletionChannel(context: command.context, socket: descriptors[0])
        contextDetails[command.context]?.channels.insert(handle)
        return reply(command, vrdma_handle_reply(handle: handle, flags: 0))
    }

    func destroyChannel(_ command: vrdma_message, guest: Guest) throws(Errno) -> vrdma_message {
        let request = try payload(command, as: vrdma_handle_command.self)
        guard let channel = guest.channels[request.handle], channel.context == command.context else {
            throw .invalidArgument
        }
        guard channel.useCount == 0 else { throw .busy }
        guest.channels[request.handle] = nil
        contextDetails[command.context]?.channels.remove(request.handle)
        return command.reply()
    }

    func createCompletionQueue(_ command: vrdma_message, guest: Guest) throws(Errno) -> vrdma_message {
        let request = try payload(command, as: vrdma_create_cq_command.self)
        guard request.entries <= guest.limits.completionQueueEntries else { throw .invalidArgument }
        if request.comp_channel != 0 {
            guard guest.channels[request.comp_channel]?.context == command.context else { throw .invalidArgument }
        }
        let region = try region(request.queue.region, context: command.context, guest: guest)
        guard
            let ring = CompletionRing(
                region.mapping, offset: request.queue.offset, entryCount: request.entries)
        else { throw .invalidArgument }
        guard guest.completionQueueCount < guest.limits.completionQueuesPerGuest,
            let queue = completionQueues.insert(
                CompletionQueue(
                    guest: guest.identifier, context: command.context, slot: request.slot, ring: ring,
                    region: request.queue.region, channel: request.comp_channel))
        else { throw .outOfMemory }
        do throws(Errno) {
            try createHostCompletionQueue(queue)
        } catch {
            completionQueues.remove(queue)
            throw error
        }
        guest.completionQueueCount += 1
        contextDetails[command.context]?.completionQueues.insert(queue)
        guest.channels[request.comp_channel]?.useCount += 1
        retainRegion(request.queue.region, of: guest)
        let flags: UInt32 = host == nil ? 0 : VRDMA_CQ_ARM_BY_COMMAND
        return reply(command, vrdma_handle_reply(handle: queue, flags: flags))
    }

    /// A wish for solicited events that the host adapter's device has to know of (ibv_req_notify_cq(3)).
    func armCompletionQueue(_ command: vrdma_message, guest: Guest) throws(Errno) -> vrdma_message {
        let request = try payload(command, as: vrdma_handle_command.self)
        try checkCompletionQueue(request.handle, context: command.context, guest: guest)
        // A device that is away is asked when it is back.
        if request.index == 1, let host, host.adapter.isAvailable, completionQueues[request.handle].hasHostObject {
            try host.adapter.requestSolicitedEvent(request.handle)
            // What came before the wish makes no event; the guest finds it in its queue when the wish is answered.
            takeAllHostCompletions(host)
        }
        return command.reply()
    }

    func destroyCompletionQueue(_ command: vrdma_message, guest: Guest) throws(Errno) -> vrdma_message {
        let request = try payload(command, as: vrdma_handle_command.self)
        try checkCompletionQueue(request.handle, context: command.context, guest: guest)
        guard completionQueues[request.handle].queuePairCount == 0 else { throw .busy }
        contextDetails[command.context]?.completionQueues.remove(request.handle)
        removeCompletionQueue(request.handle, of: guest)
        return command.reply()
    }

    /// Throws `EINVAL` unless the handle is a completion queue of this context.
    func checkCompletionQueue(_ handle: UInt32, context: UInt32, guest: Guest) throws(Errno) {
        guard completionQueues.isLive(handle), completionQueues[handle].guest == guest.identifier,
            completionQueues[handle].context == context
        else { throw .invalidArgument }
    }

    /// - Parameter isAbandoned: its application is gone, and waits for nothing.
    func removeCompletionQueue(_ queue: UInt32, of guest: Guest, isAbandoned: Bool = false) {
        if let adapter = host?.adapter, completionQueues[queue].hasHostObject {
            if isAbandoned { adapter.abandonCompletionQueue(queue) } else { adapter.destroyCompletionQueue(queue) }
        }
        releaseRegion(completionQueues[queue].region, of: guest)
        guest.channels[completionQueues[queue].channel]?.useCount -= 1
        guest.completionQueueCount -= 1
        // Its place in the list of dirty queues may be taken over by a successor at the same index, which is then
        // looked at once too often.
        completionQueues[queue].isDirty = false
        completionQueues.remove(queue)
    }
}
