import CLinux
import CVRDMAABI
import SharedMemory
import Verbs

extension ProviderContext {
    /// A new completion queue of at least `entries` completions.
    ///
    /// `channel` is the handle of a completion channel, or 0. Throws `EINVAL` for no entries or more than the device
    /// has, `ENOMEM` at a limit.
    package func createCompletionQueue(
        entries: UInt32, channel: UInt32 = 0
    ) throws(Errno) -> UnsafeMutablePointer<ProviderCompletionQueue> {
        guard entries > 0, entries <= deviceAttributes.max_cqe else { throw .invalidArgument }
        let entryCount = QueueShape.powerOfTwo(entries)
        mutex.lock()
        defer { mutex.unlock() }
        guard let index = completionQueueSlots.allocate() else { throw .outOfMemory }
        let slot = completionQueueName(index)
        var memory: RingMemory.Piece?
        do throws(Errno) {
            let piece = try allocateRing(Int(CompletionRing.sizeBytes(entryCount: entryCount)))
            memory = piece
            var command = vrdma_create_cq_command()
            command.queue = piece.name
            command.entries = entryCount
            command.comp_channel = channel
            command.slot = slot
            let reply = try call(VRDMA_OP_CREATE_CQ, command, reply: vrdma_handle_reply.self)
            let queue = UnsafeMutablePointer<ProviderCompletionQueue>.allocate(capacity: 1)
            queue.initialize(
                to: ProviderCompletionQueue(
                    handle: reply.handle, slot: slot, entryCount: entryCount, channel: channel,
                    armsByCommand: connection.hasArmCommand && reply.flags & UInt32(VRDMA_CQ_ARM_BY_COMMAND) != 0,
                    core: core, memory: piece))
            completionQueues.set(index, queue)
            return queue
        } catch {
            if let memory { releaseRing(memory) }
            completionQueueSlots.release(index)
            throw error
        }
    }

    /// Asks for one event with the next completion that is solicited or an error (ibv_req_notify_cq(3)), and returns when
    /// the device knows that.
    ///
    /// Throws what the endpoint answers. On a device that is gone the wish counts: every armed queue has one event.
    package func armSolicited(_ queue: UnsafeMutablePointer<ProviderCompletionQueue>) throws(Errno) {
        guard queue.arm(solicitedOnly: true), queue.pointee.armsByCommand else { return }
        let command = vrdma_handle_command(handle: queue.pointee.handle, index: 1)
        do throws(Errno) {
            _ = try call(VRDMA_OP_ARM_CQ, command)
        } catch {
            guard error == .inputOutput, isUnreachable() else { throw error }
        }
    }

    /// Throws `EBUSY` while a queue pair uses it.
    package func destroyCompletionQueue(_ queue: UnsafeMutablePointer<ProviderCompletionQueue>) throws(Errno) {
        mutex.lock()
        defer { mutex.unlock() }
        guard queue.pointee.firstSender == nil, queue.pointee.firstReceiver == nil else { throw .busy }
        try callToDestroy(VRDMA_OP_DESTROY_CQ, handle: queue.pointee.handle)
        let index = queue.pointee.slot & Self.completionQueueIndexMask
        completionQueues.set(index, nil)
        completionQueueSlots.release(index)
        releaseRing(queue.pointee.memory)
        queue.pointee.deallocate()
        queue.deallocate()
    }

    /// The completion queue of that name, in events; nil when it is destroyed.
    package func completionQueue(slot: UInt32) -> UnsafeMutablePointer<ProviderCompletionQueue>? {
        mutex.withLock {
            guard let queue = completionQueues.lookup(slot & Self.completionQueueIndexMask), queue.pointee.slot == slot
            else { return nil }
            return queue
        }
    }

    /// An armed queue of a channel whose device is gone, once for each arming.
    func takeArmedQueue(of channel: UInt32) -> UnsafeMutablePointer<ProviderCompletionQueue>? {
        mutex.withLock {
            for index in 0..<completionQueueSlots.bound {
                guard let queue = completionQueues.lookup(index), queue.pointee.channel == channel else { continue }
                let arm = queue.pointee.armed.relaxed()
                let served = clinux_load_relaxed32(queue.pointee.header + 68)
                guard arm != served, arm != queue.pointee.armAnsweredWhenFatal else { continue }
                queue.pointee.armAnsweredWhenFatal = arm
                return queue
            }
            return nil
        }
    }

    private static var completionQueueIndexMask: UInt32 { VRDMA_DOORBELL_SLOTS - 1 }

    /// The index, and above it a count that differs when the index is used again, so that old events are recognised.
    private func completionQueueName(_ index: UInt32) -> UInt32 {
        completionQueueGeneration &+= 1
        return completionQueueGeneration &* VRDMA_DOORBELL_SLOTS | index
    }
}
