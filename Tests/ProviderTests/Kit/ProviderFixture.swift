import CVRDMAABI
import Verbs

@testable import Provider

/// A context on a fake guest driver, with a completion queue and a queue pair.
final class ProviderFixture {
    let driver: FakeGuestDriver
    let context: ProviderContext
    let completionQueue: UnsafeMutablePointer<ProviderCompletionQueue>
    let queuePair: UnsafeMutablePointer<ProviderQueuePair>

    init(
        sends: UInt32 = 16, receives: UInt32 = 16, completions: UInt32 = 64, channel: UInt32 = 0,
        signalAll: Bool = true
    ) throws {
        driver = try FakeGuestDriver()
        context = try ProviderContext.open(socketPath: driver.path)
        completionQueue = try context.createCompletionQueue(entries: completions, channel: channel)
        queuePair = try Self.makeQueuePair(
            context, completionQueue, sends: sends, receives: receives, signalAll: signalAll)
    }

    deinit {
        driver.die()
    }

    static func makeQueuePair(
        _ context: ProviderContext, _ completionQueue: UnsafeMutablePointer<ProviderCompletionQueue>,
        sends: UInt32 = 16, receives: UInt32 = 16, signalAll: Bool = true
    ) throws(Errno) -> UnsafeMutablePointer<ProviderQueuePair> {
        let queuePair = try context.createQueuePair(
            QueuePairCapabilities(
                maxSendRequests: sends, maxReceiveRequests: receives, maxSendElements: 2, maxReceiveElements: 2,
                maxInlineBytes: 64),
            protectionDomain: 1, sendCompletionQueue: completionQueue, receiveCompletionQueue: completionQueue,
            signalAll: signalAll)
        try change(context, queuePair, to: .readyToSend)
        return queuePair
    }

    static func change(
        _ context: ProviderContext, _ queuePair: UnsafeMutablePointer<ProviderQueuePair>, to state: QueuePairState
    ) throws(Errno) {
        var attributes = vrdma_qp_attributes()
        attributes.attribute_mask = 1
        attributes.qp_state = state.rawValue
        try context.modifyQueuePair(queuePair, attributes)
    }

    /// Posts `count` sends with identifiers from `first` on; returns how many fitted.
    @discardableResult
    func postSends(_ count: Int, first: UInt64 = 0) -> Int {
        Self.postSends(queuePair, count, first: first)
    }

    @discardableResult
    static func postSends(
        _ queuePair: UnsafeMutablePointer<ProviderQueuePair>, _ count: Int, first: UInt64 = 0
    ) -> Int {
        queuePair.beginSend()
        var posted: UInt32 = 0
        while posted < count, let place = queuePair.reserveSend(posted) {
            var wqe = vrdma_send_wqe()
            wqe.wr_id = first &+ UInt64(posted)
            wqe.opcode = WorkRequestOpcode.rdmaWrite.rawValue
            place.storeBytes(of: wqe, as: vrdma_send_wqe.self)
            posted += 1
        }
        queuePair.endSend(posted)
        return Int(posted)
    }

    @discardableResult
    func postReceives(_ count: Int, first: UInt64 = 0) -> Int {
        queuePair.beginReceive()
        var posted: UInt32 = 0
        while posted < count, let place = queuePair.reserveReceive(posted) {
            place.storeBytes(
                of: vrdma_receive_wqe(wr_id: first &+ UInt64(posted), sge_count: 0, reserved: 0),
                as: vrdma_receive_wqe.self)
            posted += 1
        }
        queuePair.endReceive(posted)
        return Int(posted)
    }

    struct Polled: Equatable {
        var identifier: UInt64
        var status: WorkCompletionStatus
        var opcode: UInt32
    }

    /// Polls once.
    func poll(_ maximum: Int = 64) -> [Polled] {
        Self.poll(completionQueue, maximum)
    }

    static func poll(_ queue: UnsafeMutablePointer<ProviderCompletionQueue>, _ maximum: Int = 64) -> [Polled] {
        var result: [Polled] = []
        let count = queue.poll(maximum) { position, completion, queuePair in
            precondition(position == result.count && queuePair.pointee.number == completion.pointee.qp_number)
            result.append(
                Polled(
                    identifier: completion.pointee.wr_id,
                    status: WorkCompletionStatus(rawValue: completion.pointee.status),
                    opcode: completion.pointee.opcode))
        }
        precondition(count == result.count)
        return result
    }
}
