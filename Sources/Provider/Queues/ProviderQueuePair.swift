import CLinux
import CVRDMAABI
import SharedMemory
import Verbs

/// What a queue pair can hold (`struct ibv_qp_cap`, ibv_create_qp(3)).
@frozen
@usableFromInline
package struct QueuePairCapabilities: Hashable, Sendable {
    package var maxSendRequests: UInt32
    package var maxReceiveRequests: UInt32
    package var maxSendElements: UInt32
    package var maxReceiveElements: UInt32
    package var maxInlineBytes: UInt32

    package init(
        maxSendRequests: UInt32, maxReceiveRequests: UInt32, maxSendElements: UInt32 = 1,
        maxReceiveElements: UInt32 = 1, maxInlineBytes: UInt32 = 0
    ) {
        self.maxSendRequests = maxSendRequests
        self.maxReceiveRequests = maxReceiveRequests
        self.maxSendElements = maxSendElements
        self.maxReceiveElements = maxReceiveElements
        self.maxInlineBytes = maxInlineBytes
    }
}

/// A queue pair: a plain structure behind a pointer that stays valid until `destroyQueuePair`.
@frozen
@usableFromInline
package struct ProviderQueuePair: QueueObject {
    @usableFromInline package let number: UInt32
    /// Its place in the context's directory and in the doorbell tree.
    @usableFromInline package let slot: UInt32
    @usableFromInline let core: UnsafeMutablePointer<ContextCore>
    @usableFromInline let send: PostingQueue
    @usableFromInline let receive: PostingQueue
    /// All send requests are signalled (`sq_sig_all`).
    @usableFromInline package let signalsAll: Bool
    /// What may be posted: at least what was asked for.
    @usableFromInline package let capabilities: QueuePairCapabilities
    @usableFromInline package let protectionDomain: UInt32
    @usableFromInline package let sendCompletionQueue: UnsafeMutablePointer<ProviderCompletionQueue>
    @usableFromInline package let receiveCompletionQueue: UnsafeMutablePointer<ProviderCompletionQueue>
    /// The owner's object: an address, or 0.
    @usableFromInline package var userTag: UInt = 0

    let sendMemory: RingMemory.Piece
    let receiveMemory: RingMemory.Piece?
    /// Its neighbours in the lists of its completion queues.
    var senderLinks = Links()
    var receiverLinks = Links()

    /// A place in a list of queue pairs.
    @usableFromInline
    struct Links {
        var next: UnsafeMutablePointer<ProviderQueuePair>?
        var previous: UnsafeMutablePointer<ProviderQueuePair>?

        @usableFromInline
        init(
            next: UnsafeMutablePointer<ProviderQueuePair>? = nil,
            previous: UnsafeMutablePointer<ProviderQueuePair>? = nil
        ) {
            self.next = next
            self.previous = previous
        }
    }

    @usableFromInline
    package func deallocate() {
        send.deallocate()
        receive.deallocate()
    }

    /// The state of the last successful modify or query, as `enum ibv_qp_state`.
    @inlinable
    package var state: UInt32 { send.state.relaxed() }
    /// Send requests may be posted in RTS, SQD, SQE and ERR (IBA 10.3.1).
    @inlinable
    package var acceptsSendRequests: Bool { state >= QueuePairState.readyToSend.rawValue }
    /// Receive requests may be posted in every state but RESET (IBA 10.3.1).
    @inlinable
    package var acceptsReceiveRequests: Bool { state >= QueuePairState.initialized.rawValue }
}
