import CVRDMAABI
import Endpoint
import Verbs

/// How the simulated device executes requests (IBA 9.7).
extension SimulatedHostAdapter {
    private enum Outcome {
        case done(byteLength: Int)
        case failed(WorkCompletionStatus)
        /// It is tried again in the next step.
        case waiting
    }

    /// Executes the oldest request of a queue pair. False when there is none, or it has to wait.
    func execute(_ queuePair: SimulatedHostQueuePair) -> Bool {
        guard queuePair.canExecute, let send = queuePair.sends.first else { return false }
        var outcome: Outcome
        if let status = behaviour.failNextRequest {
            behaviour.failNextRequest = nil
            outcome = .failed(status)
        } else if behaviour.failureChance > 0, generator.chance(behaviour.failureChance, of: 1000) {
            outcome = .failed([.remoteOperationError, .fatalError, .retryExceeded][Int(generator.next() % 3)])
        } else {
            outcome = perform(send, of: queuePair)
        }
        // Its peer, which may be itself, may have ended it.
        guard !queuePair.sends.isEmpty, queuePair.state == .readyToSend else { return true }
        if case .waiting = outcome { return wait(queuePair, send) }
        queuePair.retries = 0
        queuePair.sends.removeFirst()
        switch outcome {
        case .done(let byteLength):
            if send.request.isSignaled {
                var completion = self.completion(queuePair, send.request, .success)
                completion.byteLength = UInt32(byteLength)
                complete(queuePair.shape.sendCompletionQueue, completion, isSolicited: false)
            }
        case .failed(let status):
            complete(
                queuePair.shape.sendCompletionQueue, completion(queuePair, send.request, status), isSolicited: true)
            fail(queuePair, event: nil)
        case .waiting: break
        }
        return true
    }

    /// True when the wait has an end.
    private func wait(_ queuePair: SimulatedHostQueuePair, _ send: SimulatedSend) -> Bool {
        queuePair.retries += 1
        let isReady = peer(of: queuePair) == nil
        let limit = Int(isReady ? queuePair.attributes.retry_count : queuePair.attributes.rnr_retry)
        if !isReady, limit == 7 { return false }
        guard queuePair.retries > (limit + 1) * behaviour.stepsPerRetry else { return true }
        queuePair.retries = 0
        queuePair.sends.removeFirst()
        let status: WorkCompletionStatus = isReady ? .retryExceeded : .receiverNotReadyRetryExceeded
        complete(queuePair.shape.sendCompletionQueue, completion(queuePair, send.request, status), isSolicited: true)
        fail(queuePair, event: nil)
        return true
    }

    /// Whether nothing happens before the peer posts a receive.
    func waitsForReceive(_ queuePair: SimulatedHostQueuePair) -> Bool {
        guard queuePair.attributes.rnr_retry == 7, queuePair.sends.first?.request.opcode.consumesReceive == true else {
            return false
        }
        return peer(of: queuePair).map { $0.1.receives.isEmpty } ?? false
    }

    private func peer(of queuePair: SimulatedHostQueuePair) -> (SimulatedHostAdapter, SimulatedHostQueuePair)? {
        guard port.isActive, let adapter = network.adapter(with: queuePair.destination),
            let index = adapter.queuePairByNumber[queuePair.attributes.destination_qp_number],
            let peer = adapter.queuePairs[index], peer.state.acceptsRequests,
            peer.destination == queuePair.source, peer.attributes.destination_qp_number == queuePair.number,
            peer.source == queuePair.destination
        else { return nil }
        return (adapter, peer)
    }

    private func perform(_ send: SimulatedSend, of queuePair: SimulatedHostQueuePair) -> Outcome {
        let request = send.request
        let isSource = request.opcode.permitsSource
        let local = places(send.elements, in: queuePair, needs: isSource ? [] : .localWrite)
        guard let local else { return .failed(.localProtectionError) }
        let isInline = request.inlineAddress != 0
        let length = isInline ? send.inlineData.count : send.elements.reduce(0) { $0 + Int($1.length) }
        guard let (adapter, peer) = peer(of: queuePair) else { return .waiting }
        if peer.state == .readyToReceive, peer.attributes.qp_state == 0 {
            peer.attributes.qp_state = 1
            adapter.note(.queuePair(.communicationEstablished, peer.index))
        }
        if request.opcode.consumesReceive, peer.receives.isEmpty { return .waiting }
        switch request.opcode {
        case .rdmaRead, .compareAndSwap, .fetchAndAdd:
            return fetch(request, into: local, count: length, from: peer, of: adapter)
        default:
            var data = send.inlineData
            for place in isInline ? [] : local { data += place.memory.read(place.address, place.count) }
            return deliver(data, request, from: queuePair, to: peer, of: adapter)
        }
    }

    private struct Place {
        var memory: SimulatedHostMemory
        var address: UInt64
        var count: UInt64
    }

    /// Where elements lie; nil when the queue pair may not use one of them.
    private func places(
        _ elements: [vrdma_sge], in queuePair: SimulatedHostQueuePair, needs access: AccessFlags
    ) -> [Place]? {
        var result: [Place] = []
        for element in elements {
            guard let handle = memoryByLocalKey[element.lkey], let memory = memories[handle],
                memory.registration.domain == queuePair.shape.domain,
                memory.registration.access.isSuperset(of: access),
                memory.contains(element.address, UInt64(element.length))
            else { return nil }
            result.append(Place(memory: memory, address: element.address, count: UInt64(element.length)))
        }
        return result
    }

    private func scatter(_ data: [UInt8], over places: [Place]) {
        var rest = data[...]
        for place in places {
            place.memory.write(rest.prefix(Int(place.count)), at: place.address)
            rest = rest.dropFirst(Int(place.count))
        }
    }

    private func remoteMemory(
        _ request: HostSendRequest, count: Int, _ access: AccessFlags, of peer: SimulatedHostQueuePair,
        _ adapter: SimulatedHostAdapter
    ) -> SimulatedHostMemory? {
        guard let handle = adapter.memoryByRemoteKey[request.remoteKey], let memory = adapter.memories[handle],
            memory.registration.domain == peer.shape.domain, memory.registration.access.isSuperset(of: access),
            memory.contains(request.remoteAddress, UInt64(count))
        else { return nil }
        return memory
    }

    private func deliver(
        _ data: [UInt8], _ request: HostSendRequest, from queuePair: SimulatedHostQueuePair,
        to peer: SimulatedHostQueuePair, of adapter: SimulatedHostAdapter
    ) -> Outcome {
        let isSend = request.opcode == .send || request.opcode == .sendWithImmediate
        if isSend {
            let receive = peer.receives[0]
            guard data.count <= receive.elements.reduce(0, { $0 + Int($1.length) }) else {
                adapter.failReceive(peer, .localLengthError)
                return .failed(.remoteInvalidRequestError)
            }
            guard let places = adapter.places(touched(receive.elements, data.count), in: peer, needs: .localWrite)
            else {
                adapter.failReceive(peer, .localProtectionError)
                return .failed(.remoteOperationError)
            }
            scatter(data, over: places)
        } else if !peer.access.contains(.remoteWrite) {
            adapter.fail(peer, event: .queuePairRequestError)
            return .failed(.remoteInvalidRequestError)
        } else if !data.isEmpty {
            guard let memory = remoteMemory(request, count: data.count, .remoteWrite, of: peer, adapter) else {
                adapter.fail(peer, event: .queuePairAccessError)
                return .failed(.remoteAccessError)
            }
            memory.write(data[...], at: request.remoteAddress)
        }
        if request.opcode.consumesReceive {
            let receive = peer.receives.removeFirst()
            var completion = HostCompletion()
            completion.queuePair = peer.index
            completion.isReceive = true
            completion.index = receive.index
            completion.opcode = (isSend ? WorkCompletionOpcode.receive : .receiveRDMAWithImmediate).rawValue
            completion.byteLength = UInt32(data.count)
            completion.sourceQueuePair = queuePair.number
            if request.opcode.hasImmediate {
                completion.flags = 2
                completion.immediate = request.immediate
            }
            adapter.complete(peer.shape.receiveCompletionQueue, completion, isSolicited: request.isSolicited)
        }
        return .done(byteLength: data.count)
    }

    /// The elements that a message of `count` bytes reaches: others are not checked.
    private func touched(_ elements: [vrdma_sge], _ count: Int) -> [vrdma_sge] {
        var rest = UInt32(count)
        var result: [vrdma_sge] = []
        for element in elements where rest > 0 {
            var part = element
            part.length = min(rest, element.length)
            rest -= part.length
            result.append(part)
        }
        return result
    }

    private func fetch(
        _ request: HostSendRequest, into local: [Place], count: Int, from peer: SimulatedHostQueuePair,
        of adapter: SimulatedHostAdapter
    ) -> Outcome {
        let access: AccessFlags = request.opcode.isAtomic ? .remoteAtomic : .remoteRead
        guard peer.access.contains(access), !request.opcode.isAtomic || request.remoteAddress % 8 == 0 else {
            adapter.fail(peer, event: .queuePairRequestError)
            return .failed(.remoteInvalidRequestError)
        }
        guard count > 0 else { return .done(byteLength: 0) }
        guard let memory = remoteMemory(request, count: count, access, of: peer, adapter) else {
            adapter.fail(peer, event: .queuePairAccessError)
            return .failed(.remoteAccessError)
        }
        let data = memory.read(request.remoteAddress, UInt64(count))
        if request.opcode.isAtomic {
            guard count == 8 else { return .failed(.localLengthError) }
            let old = data.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            let isSwapped = old == request.compareAdd
            let new =
                request.opcode == .fetchAndAdd ? old &+ request.compareAdd : isSwapped ? request.swap : old
            memory.write((0..<8).map { UInt8(truncatingIfNeeded: new >> (8 * $0)) }[...], at: request.remoteAddress)
        }
        scatter(data, over: local)
        return .done(byteLength: count)
    }

    // MARK: Ends

    func completion(
        _ queuePair: SimulatedHostQueuePair, _ request: HostSendRequest, _ status: WorkCompletionStatus
    ) -> HostCompletion {
        var completion = HostCompletion()
        completion.queuePair = queuePair.index
        completion.index = request.index
        completion.status = status.rawValue
        completion.vendorError = status == .success ? 0 : 0x77
        // In an error everything but the identifier and the status means nothing.
        completion.opcode = status == .success ? request.opcode.completionOpcode.rawValue : 0xdead
        return completion
    }

    func flush(_ queuePair: SimulatedHostQueuePair, _ request: HostSendRequest) {
        complete(
            queuePair.shape.sendCompletionQueue, completion(queuePair, request, .flushError), isSolicited: true)
    }

    func flush(_ queuePair: SimulatedHostQueuePair, _ receive: SimulatedReceive) {
        end(receive, of: queuePair, .flushError)
    }

    private func end(
        _ receive: SimulatedReceive, of queuePair: SimulatedHostQueuePair, _ status: WorkCompletionStatus
    ) {
        var completion = HostCompletion()
        completion.queuePair = queuePair.index
        completion.isReceive = true
        completion.index = receive.index
        completion.status = status.rawValue
        completion.opcode = 0xdead
        complete(queuePair.shape.receiveCompletionQueue, completion, isSolicited: true)
    }

    private func failReceive(_ queuePair: SimulatedHostQueuePair, _ status: WorkCompletionStatus) {
        end(queuePair.receives.removeFirst(), of: queuePair, status)
        fail(queuePair, event: nil)
    }

    /// The change to the error state, with the flush of all that is posted.
    func fail(_ queuePair: SimulatedHostQueuePair, event: AsyncEventType?) {
        guard queuePair.state != .error else { return }
        queuePair.state = .error
        let (sends, receives) = (queuePair.sends, queuePair.receives)
        (queuePair.sends, queuePair.receives) = ([], [])
        for send in sends { flush(queuePair, send.request) }
        for receive in receives { flush(queuePair, receive) }
        if let event { note(.queuePair(event, queuePair.index)) }
    }
}

extension WorkRequestOpcode {
    /// The requester's memory is read, not written.
    fileprivate var permitsSource: Bool { self != .rdmaRead && !isAtomic }
}
