import CVRDMAABI
import MemoryTranslation
import Verbs

/// The device's counterparts of guests' protection domains, completion queues and queue pairs.
///
/// While the device is away a guest's object is made without a counterpart. Protection domains, completion queues and
/// memory get theirs when the device is back. A queue pair does not: its number was given to the guest without asking
/// the device, and no peer could reach it by that.
extension Device {
    private static var numbersTried: Int { 64 }

    /// Nil when there is no device (now).
    func createHostProtectionDomain() throws(Errno) -> HostHandle? {
        guard let host, host.adapter.isAvailable else { return nil }
        return try host.adapter.createProtectionDomain()
    }

    func removeHostProtectionDomain(_ domain: ProtectionDomain?) {
        guard let host, let handle = domain?.host else { return }
        host.adapter.destroyProtectionDomain(handle)
    }

    func createHostCompletionQueue(_ queue: UInt32) throws(Errno) {
        guard let host, host.adapter.isAvailable else { return }
        try host.adapter.createCompletionQueue(queue, entryCount: completionQueues[queue].ring.entryCount)
        completionQueues[queue].hasHostObject = true
        // An application that asked while there was no device to ask still waits.
        let arm = completionQueues[queue].ring.arm.relaxed()
        if arm & 3 == VRDMA_CQ_ARM_SOLICITED, arm != completionQueues[queue].armServed {
            try? host.adapter.requestSolicitedEvent(queue)
        }
    }

    /// The number that the device chose, by which peers reach the queue pair; nil when there is no device (now).
    ///
    /// Throws `ENOMEM` also when the device chooses only numbers that the guest knows from before it came back.
    func createHostQueuePair(
        _ index: UInt32, domain: HostHandle?, _ request: vrdma_create_qp_command, of guest: Guest
    ) throws(Errno) -> QueuePairNumber? {
        guard let host, host.adapter.isAvailable, let domain,
            completionQueues[request.send_cq].hasHostObject, completionQueues[request.receive_cq].hasHostObject
        else { return nil }
        let shape = HostQueuePairShape(
            domain: domain, sendCompletionQueue: request.send_cq, receiveCompletionQueue: request.receive_cq,
            sendEntries: request.send_entries, receiveEntries: request.receive_entries,
            sendElements: request.max_send_sge, receiveElements: request.max_receive_sge,
            inlineBytes: request.max_inline_bytes, signalsAll: request.flags & VRDMA_QP_SIGNAL_ALL != 0)
        for _ in 0..<Self.numbersTried {
            let number = try host.adapter.createQueuePair(index, shape)
            if guest.queuePairNumbers[number] == nil {
                queuePairs[index].hasHostObject = true
                return number
            }
            // A queue pair from before the device came back has the number. Devices give them out in turn.
            host.adapter.destroyQueuePair(index)
        }
        throw .outOfMemory
    }

    func removeHostQueuePair(_ index: UInt32, isAbandoned: Bool = false) {
        guard let host, queuePairs[index].hasHostObject else { return }
        queuePairs[index].hasHostObject = false
        queuePairs[index].path = .none
        host.numbers.remove(.init(guest: queuePairs[index].guest, number: queuePairs[index].number.rawValue))
        if isAbandoned { host.adapter.abandonQueuePair(index) } else { host.adapter.destroyQueuePair(index) }
    }

    /// Makes the device's counterpart fail, which flushes what it has; its completions follow.
    func failOnHost(_ index: UInt32) {
        guard let host, queuePairs[index].hasHostObject else { return }
        var attributes = vrdma_qp_attributes()
        attributes.attribute_mask = QueuePairTransition.AttributeMask.state.rawValue
        attributes.qp_state = QueuePairState.error.rawValue
        do throws(Errno) {
            try host.adapter.modifyQueuePair(index, attributes, source: .zero)
        } catch {
            // A device that cannot even do this has lost the queue pair: what it had is flushed here.
            queuePairs[index].path = .none
        }
    }

    /// The device's counterpart failed by itself. It is told so once more: soft-RoCE flushes what was posted after its
    /// failure, and before it was known here, only then.
    func failWithHost(_ index: UInt32) {
        failOnHost(index)
        setState(index, .error)
        activate(index)
    }

    /// Takes everything back from the device, without completions.
    func abandonHostPath(_ index: UInt32) {
        guard queuePairs[index].path == .host else { return }
        queuePairs[index].path = .none
        resetOnHost(index)
    }

    /// Makes the device's counterpart forget what it has.
    func resetOnHost(_ index: UInt32) {
        guard let host, queuePairs[index].hasHostObject else { return }
        var attributes = vrdma_qp_attributes()
        attributes.attribute_mask = QueuePairTransition.AttributeMask.state.rawValue
        attributes.qp_state = QueuePairState.reset.rawValue
        try? host.adapter.modifyQueuePair(index, attributes, source: .zero)
    }
}
