import CVRDMAABI
import Endpoint
import Tables
import Verbs

/// A completion queue of the simulated device.
struct SimulatedHostQueue {
    var capacity: Int
    var entries: [HostCompletion] = []
    var isArmed = false
    var isBroken = false
    var queuePairCount = 0
}

/// A send request that was posted.
struct SimulatedSend {
    var request: HostSendRequest
    var elements: [vrdma_sge]
    var inlineData: [UInt8]
}

struct SimulatedReceive {
    var index: UInt32
    var elements: [vrdma_sge]
}

/// A change of a queue pair that takes its time.
struct PendingSimulatedModification {
    var queuePair: UInt32
    var attributes: vrdma_qp_attributes
    var source: GID
    var token: UInt64
    var stepsLeft: Int
}

/// A queue pair of the simulated device.
final class SimulatedHostQueuePair {
    let index: UInt32
    let number: UInt32
    let shape: HostQueuePairShape
    var state = QueuePairState.reset
    var attributes = vrdma_qp_attributes()
    var access: AccessFlags = []
    var source = GID.zero
    var destination = GID.zero
    var sends: [SimulatedSend] = []
    var receives: [SimulatedReceive] = []
    /// Free-running indices of the next request to be posted, and of the next whose completion was not polled.
    var nextSend: UInt32 = 0
    var firstSend: UInt32 = 0
    var nextReceive: UInt32 = 0
    var firstReceive: UInt32 = 0
    var retries = 0

    init(index: UInt32, number: UInt32, shape: HostQueuePairShape) {
        self.index = index
        self.number = number
        self.shape = shape
    }

    /// There is a request that may be executed now.
    var canExecute: Bool { state == .readyToSend && !sends.isEmpty }

    func reset() {
        state = .reset
        (sends, receives) = ([], [])
        (nextSend, firstSend, nextReceive, firstReceive, retries) = (0, 0, 0, 0, 0)
        (source, destination) = (.zero, .zero)
    }
}

extension SimulatedHostAdapter {
    // MARK: Completion queues

    package func createCompletionQueue(_ queue: UInt32, entryCount: UInt32) throws(Errno) {
        try checkAvailable()
        try behaviour.failNextQueue.throwOnce()
        guard queues.count < attributes.completionQueues else { throw .outOfMemory }
        if queues[queue] != nil { violate("completion queue \(queue) is made twice") }
        if entryCount > attributes.completionQueueEntries { violate("a completion queue beyond the device's limit") }
        queues[queue] = SimulatedHostQueue(capacity: Int(entryCount))
    }

    package func destroyCompletionQueue(_ queue: UInt32) {
        guard isAvailable else { return }
        guard let found = queues.removeValue(forKey: queue) else {
            return violate("completion queue \(queue), which is not there, is destroyed")
        }
        if found.queuePairCount > 0 { violate("completion queue \(queue) is destroyed before its queue pairs") }
        events.removeAll { $0 == .solicited(queue: queue) || $0 == .completionQueueError(queue) }
    }

    package func requestSolicitedEvent(_ queue: UInt32) throws(Errno) {
        try checkAvailable()
        if queues[queue] == nil { violate("completion queue \(queue), which is not there, is armed") }
        queues[queue]?.isArmed = true
    }

    package func poll(into completions: Block<HostCompletion>, now: UInt64) -> Int {
        isPolled()
        var count = 0
        for queue in queues.keys.sorted() {
            guard let found = queues[queue], !found.entries.isEmpty else { continue }
            let taken = min(found.entries.count, completions.count - count)
            for completion in found.entries.prefix(taken) {
                completions[count] = completion
                count += 1
                retire(completion)
            }
            queues[queue]?.entries.removeFirst(taken)
        }
        return count
    }

    private func retire(_ completion: HostCompletion) {
        guard let queuePair = queuePairs[completion.queuePair] else { return }
        if completion.isReceive {
            queuePair.firstReceive = completion.index &+ 1
        } else {
            queuePair.firstSend = completion.index &+ 1
        }
    }

    func complete(_ queue: UInt32, _ completion: HostCompletion, isSolicited: Bool) {
        guard let found = queues[queue], !found.isBroken else { return }
        guard found.entries.count < found.capacity else { return overrun(queue) }
        queues[queue]?.entries.append(completion)
        if found.isArmed, isSolicited || completion.status != 0 {
            queues[queue]?.isArmed = false
            note(.solicited(queue: queue))
        }
        wake()
    }

    private func overrun(_ queue: UInt32) {
        queues[queue]?.isBroken = true
        note(.completionQueueError(queue))
        for index in queuePairs.keys.sorted() {
            guard let queuePair = queuePairs[index],
                queuePair.shape.sendCompletionQueue == queue || queuePair.shape.receiveCompletionQueue == queue
            else { continue }
            fail(queuePair, event: .queuePairFatal)
        }
    }

    // MARK: Queue pairs

    package func createQueuePair(_ index: UInt32, _ shape: HostQueuePairShape) throws(Errno) -> QueuePairNumber {
        try checkAvailable()
        try behaviour.failNextQueuePair.throwOnce()
        guard queuePairs.count < attributes.queuePairs else { throw .outOfMemory }
        check(index, shape)
        while queuePairByNumber[nextNumber] != nil { nextNumber = nextNumber % 0xff_fffe + 1 }
        let number = nextNumber
        nextNumber = nextNumber % 0xff_fffe + 1
        queuePairs[index] = SimulatedHostQueuePair(index: index, number: number, shape: shape)
        queuePairByNumber[number] = index
        domains[shape.domain.rawValue]?.queuePairCount += 1
        queues[shape.sendCompletionQueue]?.queuePairCount += 1
        queues[shape.receiveCompletionQueue]?.queuePairCount += 1
        return QueuePairNumber(rawValue: number)
    }

    private func check(_ index: UInt32, _ shape: HostQueuePairShape) {
        if queuePairs[index] != nil { violate("queue pair \(index) is made twice") }
        if domains[shape.domain.rawValue]?.isEnding != false { violate("a queue pair without a protection domain") }
        if queues[shape.sendCompletionQueue] == nil || queues[shape.receiveCompletionQueue] == nil {
            violate("a queue pair without completion queues")
        }
        if max(shape.sendEntries, shape.receiveEntries) > attributes.workRequestsPerQueue
            || max(shape.sendElements, shape.receiveElements) > attributes.scatterGatherElements
            || shape.inlineBytes > attributes.inlineBytes
        {
            violate("a queue pair beyond the device's limits")
        }
    }

    package func destroyQueuePair(_ queuePair: UInt32) {
        guard isAvailable else { return }
        guard let found = queuePairs.removeValue(forKey: queuePair) else {
            return violate("queue pair \(queuePair), which is not there, is destroyed")
        }
        queuePairByNumber[found.number] = nil
        domains[found.shape.domain.rawValue]?.queuePairCount -= 1
        queues[found.shape.sendCompletionQueue]?.queuePairCount -= 1
        queues[found.shape.receiveCompletionQueue]?.queuePairCount -= 1
        forgetCompletions(of: queuePair)
        for pending in modifications where pending.queuePair == queuePair {
            note(.modificationFailed(token: pending.token, .invalidArgument))
        }
        modifications.removeAll { $0.queuePair == queuePair }
        events.removeAll { event in
            if case .queuePair(_, queuePair) = event { true } else { false }
        }
    }

    private func forgetCompletions(of queuePair: UInt32) {
        for queue in queues.keys { queues[queue]?.entries.removeAll { $0.queuePair == queuePair } }
    }

    package func modifyQueuePair(
        _ queuePair: UInt32, _ attributes: vrdma_qp_attributes, source: GID
    ) throws(Errno) {
        try checkAvailable()
        try behaviour.failNextModify.throwOnce()
        guard let found = queuePairs[queuePair] else {
            violate("queue pair \(queuePair), which is not there, is changed")
            throw .invalidArgument
        }
        let mask = QueuePairTransition.AttributeMask(rawValue: attributes.attribute_mask)
        guard let next = mask.contains(.state) ? QueuePairState(rawValue: attributes.qp_state) : found.state,
            let rule = QueuePairTransition.reliableConnection(from: found.state, to: next), rule.permits(mask)
        else { throw .invalidArgument }
        if next == .reset {
            found.reset()
            forgetCompletions(of: queuePair)
            return
        }
        store(attributes, mask, in: found, source: source)
        switch next {
        case .error: fail(found, event: nil)
        case .sendQueueDrained where found.state == .readyToSend:
            found.state = next
            if mask.contains(.enableSQDNotify), attributes.enable_sqd_async_notify != 0 {
                note(.queuePair(.sendQueueDrained, queuePair))
            }
        default: found.state = next
        }
    }

    package func beginModification(
        _ queuePair: UInt32, _ attributes: vrdma_qp_attributes, source: GID, token: UInt64
    ) {
        guard isAvailable else { return note(.modificationFailed(token: token, .noSuchDevice)) }
        if modifications.contains(where: { $0.queuePair == queuePair }) {
            violate("queue pair \(queuePair) is changed while it is changed")
        }
        modifications.append(
            .init(
                queuePair: queuePair, attributes: attributes, source: source, token: token,
                stepsLeft: Int.random(in: behaviour.modificationSteps, using: &generator)))
    }

    func stepModifications() -> Int {
        let work = modifications.count
        for position in modifications.indices { modifications[position].stepsLeft -= 1 }
        for pending in modifications where pending.stepsLeft < 0 {
            do throws(Errno) {
                try modifyQueuePair(pending.queuePair, pending.attributes, source: pending.source)
                note(.modified(token: pending.token))
            } catch {
                note(.modificationFailed(token: pending.token, error))
            }
        }
        modifications.removeAll { $0.stepsLeft < 0 }
        return work
    }

    private func store(
        _ new: vrdma_qp_attributes, _ mask: QueuePairTransition.AttributeMask, in queuePair: SimulatedHostQueuePair,
        source: GID
    ) {
        if mask.contains(.accessFlags) { queuePair.access = AccessFlags(rawValue: new.access_flags) }
        if mask.contains(.addressVector) {
            if !hasAddress(source) { violate("queue pair \(queuePair.index) sends from an address of others") }
            queuePair.source = source
            withUnsafeBytes(of: new.destination_gid) {
                queuePair.destination = GID(
                    bytes: ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
            }
        }
        if mask.contains(.destinationQueuePair) {
            queuePair.attributes.destination_qp_number = new.destination_qp_number
        }
        if mask.contains(.rnrRetry) { queuePair.attributes.rnr_retry = new.rnr_retry }
        if mask.contains(.retryCount) { queuePair.attributes.retry_count = new.retry_count }
        if mask.contains(.sendPSN) { queuePair.attributes.sq_psn = new.sq_psn }
        if mask.contains(.receivePSN) { queuePair.attributes.rq_psn = new.rq_psn }
    }

    package func queryQueuePair(_ queuePair: UInt32) throws(Errno) -> vrdma_qp_attributes {
        try checkAvailable()
        guard let found = queuePairs[queuePair] else { throw .invalidArgument }
        var result = found.attributes
        result.qp_state = found.state.rawValue
        result.current_qp_state = found.state.rawValue
        return result
    }

    // MARK: Posting

    package func appendSend(_ request: HostSendRequest, elements: Block<vrdma_sge>) -> Bool {
        guard sendBatch.count < behaviour.batchCapacity, behaviour.cannotExpress?(request) != true else { return false }
        var data: [UInt8] = []
        if request.inlineAddress != 0, let place = UnsafeRawPointer(bitPattern: request.inlineAddress) {
            data = Array(UnsafeRawBufferPointer(start: place, count: Int(request.inlineBytes)))
        }
        sendBatch.append(
            SimulatedSend(
                request: request, elements: (0..<request.elementCount).map { elements[$0] }, inlineData: data))
        return true
    }

    package func signalLastSend() {
        guard !sendBatch.isEmpty else { return violate("there is no request to be signaled") }
        sendBatch[sendBatch.count - 1].request.isSignaled = true
    }

    package func postSends(_ queuePair: UInt32) -> Int {
        defer { sendBatch = [] }
        guard isAvailable else { return 0 }
        guard let found = queuePairs[queuePair] else {
            violate("requests are posted on queue pair \(queuePair), which is not there")
            return 0
        }
        for (count, send) in sendBatch.enumerated() {
            guard found.state.rawValue >= QueuePairState.readyToSend.rawValue else {
                violate("a request is posted in state \(found.state)")
                return count
            }
            guard found.nextSend &- found.firstSend < max(1, found.shape.sendEntries) else {
                violate("more requests are posted than the send queue holds")
                return count
            }
            if behaviour.refusesSend?(send.request) == true { return count }
            // A request that the engine ended by itself leaves a gap, behind which nothing is outstanding.
            if found.firstSend == found.nextSend { found.firstSend = send.request.index }
            if send.request.index != found.nextSend, found.firstSend != send.request.index {
                violate("a request is posted out of its turn")
            }
            if send.elements.count > max(1, found.shape.sendElements) { violate("too many elements are posted") }
            if send.inlineData.count > found.shape.inlineBytes { violate("too much inline data is posted") }
            if send.elements.contains(where: { $0.length == 0 }) { violate("an element without bytes is posted") }
            found.nextSend = send.request.index &+ 1
            remember(send.request)
            if found.state == .error { flush(found, send.request) } else { found.sends.append(send) }
        }
        return sendBatch.count
    }

    package func appendReceive(index: UInt32, elements: Block<vrdma_sge>, elementCount: Int) -> Bool {
        guard receiveBatch.count < behaviour.batchCapacity else { return false }
        receiveBatch.append(.init(index: index, elements: (0..<elementCount).map { elements[$0] }))
        return true
    }

    package func postReceives(_ queuePair: UInt32) -> Int {
        defer { receiveBatch = [] }
        guard isAvailable else { return 0 }
        guard let found = queuePairs[queuePair] else {
            violate("receives are posted on queue pair \(queuePair), which is not there")
            return 0
        }
        for (count, receive) in receiveBatch.enumerated() {
            guard found.state != .reset else {
                violate("a receive is posted in the reset state")
                return count
            }
            guard found.nextReceive &- found.firstReceive < found.shape.receiveEntries else {
                violate("more receives are posted than the receive queue holds")
                return count
            }
            if behaviour.refusesReceive?(receive.index) == true { return count }
            if receive.index != found.nextReceive { violate("a receive is posted out of its turn") }
            found.nextReceive = receive.index &+ 1
            if found.state == .error { flush(found, receive) } else { found.receives.append(receive) }
        }
        return receiveBatch.count
    }

    private func isPolled() {
        if !sendBatch.isEmpty || !receiveBatch.isEmpty { violate("a batch is left without being posted") }
    }
}
