import CVRDMAABI
import FuzzKit
import Glibc
import LinuxIO
import Provider
import SharedMemory
import Verbs

/// A guest driver and an endpoint that answer an application's library with anything.
@main
enum ProviderReplies: FuzzTarget {
    private static let driver = HostileDriver()

    static func run(_ input: inout FuzzInput) {
        guard let driver else { return }
        driver.prepare(input.takeRest())
        guard let context = try? ProviderContext.open(socketPath: driver.path) else { return }
        useQueries(context)
        useQueues(context)
        context.close()
    }

    private static func useQueries(_ context: ProviderContext) {
        _ = FixedText.read(context.welcome.guest_name)
        _ = try? context.queryDevice()
        _ = try? context.queryPort(1)
        _ = try? context.queryGID(index: 0)
        _ = try? context.queryPKey(index: 0)
        _ = fcntl(context.asyncDescriptor, F_SETFL, O_NONBLOCK)
        for _ in 0..<4 { _ = try? context.nextAsyncEvent() }
    }

    private static func useQueues(_ context: ProviderContext) {
        let channel = try? context.createCompletionChannel()
        guard let domain = try? context.allocateProtectionDomain(),
            let queue = try? context.createCompletionQueue(entries: 16, channel: channel?.handle ?? 0)
        else { return }
        try? context.armSolicited(queue)
        let pair = try? context.createQueuePair(
            QueuePairCapabilities(maxSendRequests: 4, maxReceiveRequests: 4), protectionDomain: domain,
            sendCompletionQueue: queue, receiveCompletionQueue: queue, signalAll: true)
        if let pair {
            for _ in 0..<4 {
                _ = try? context.queryQueuePair(pair)
                post(pair)
                queue.arm(solicitedOnly: false)
                _ = queue.poll(32) { _, _, _ in }
            }
        }
        if let channel {
            _ = fcntl(channel.descriptor, F_SETFL, O_NONBLOCK)
            for _ in 0..<4 { _ = try? context.nextCompletionEvent(channel) }
            if pair == nil { try? context.destroyCompletionChannel(channel) }
        }
        if let pair {
            var attributes = vrdma_qp_attributes()
            attributes.attribute_mask = 1
            try? context.modifyQueuePair(pair, attributes)
            try? context.destroyQueuePair(pair)
        }
        try? context.destroyCompletionQueue(queue)
        try? context.deallocateProtectionDomain(domain)
    }

    private static func post(_ pair: UnsafeMutablePointer<ProviderQueuePair>) {
        pair.beginSend()
        let place = pair.reserveSend()
        place?.storeBytes(of: vrdma_send_wqe(), as: vrdma_send_wqe.self)
        pair.endSend(place == nil ? 0 : 1)
        pair.beginReceive()
        let receive = pair.reserveReceive()
        receive?.storeBytes(of: vrdma_receive_wqe(), as: vrdma_receive_wqe.self)
        pair.endReceive(receive == nil ? 0 : 1)
    }
}
