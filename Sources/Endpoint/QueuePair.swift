import CVRDMAABI
import MemoryTranslation
import SharedMemory
import Verbs

/// A queue pair of the device: all that the engine needs for a request lies in this one value.
package struct QueuePair: BitwiseCopyable {
    /// Why the send queue stands still.
    package enum Wait: UInt8, BitwiseCopyable {
        case none
        /// The peer has no receive work request.
        case receiverNotReady
        /// The peer does not answer: it is gone, or in a state that drops requests.
        case noAnswer
    }

    /// How its requests travel; chosen from the destination address with the change to RTR.
    package enum Path: UInt8, BitwiseCopyable {
        /// It has no destination, or lost the device that led there.
        case none
        /// To a guest of this endpoint, memory to memory.
        case local
        /// Through the host adapter's device.
        case host
    }

    // Identity.
    package var guest: UInt32
    package var schedule: UInt32
    package var context: UInt32
    package var number: QueuePairNumber
    package var slot: UInt32
    package var protectionDomain: UInt32
    package var mappings: MappingView

    // Queues.
    package var send: WorkQueue
    package var receive: WorkQueue
    package var sendRegion: UInt32
    package var receiveRegion: UInt32
    package var sendCompletionQueue: UInt32
    package var receiveCompletionQueue: UInt32
    package var maxSendElements: UInt32
    package var maxReceiveElements: UInt32
    package var maxInlineBytes: UInt32
    package var signalsAll: Bool
    package var maxMessageBytes: UInt64
    /// The next send queue entry to execute: the truth, of which shared memory holds a copy.
    package var sendHead: UInt32 = 0
    /// The next receive queue entry to take.
    package var receiveHead: UInt32 = 0
    /// The receive queue's tail when it was last read.
    package var knownReceiveTail: UInt32 = 0

    // State.
    package var state: QueuePairState = .reset
    package var attributes = vrdma_qp_attributes()
    package var access: AccessFlags = []
    /// Changes with every change of state, so that a peer's cached knowledge is recognised as stale.
    package var epoch: UInt32 = 0
    /// In SQD, until the request that had begun is finished.
    package var isDraining = false
    /// The send queue index at which a drain ends.
    package var drainEnd: UInt32 = 0
    package var hasCommunicationEstablished = false

    // Path through the host adapter.
    package var path = Path.none
    /// The host adapter has a queue pair for this one.
    package var hasHostObject = false
    /// The host adapter has begun a change of it that is not answered yet.
    package var isChanging = false
    /// The next entries to hand to the host adapter; those from the heads to here are the device's.
    package var sendForwarded: UInt32 = 0
    package var receiveForwarded: UInt32 = 0
    /// The last request that the device has will be completed, whatever becomes of it.
    package var isLastForwardedSignaled = false
    /// A request that the device does not get, or that was made to fail there, and how it ends towards the guest.
    package var refusedIndex: UInt32 = 0
    package var refusedStatus = WorkCompletionStatus.success
    /// Where the send queue stood, and since when, at the last look while the device's port was down.
    package var standingHead: UInt32 = 0
    package var standingSinceNanoseconds: UInt64 = 0
    /// The destination is a guest of this endpoint: its keys can be translated here.
    package var peerGuest: UInt32 = 0

    // Path, local.
    package var destination = GID.zero
    package var mtuShift: UInt32 = 10
    package var sendPSN = PacketSequenceNumber(rawValue: 0)
    package var receivePSN = PacketSequenceNumber(rawValue: 0)
    package var peer: UInt32 = 0
    package var peerGeneration: UInt32 = 0
    package var peerEpoch: UInt32 = 0
    /// This side's own epoch when the peer was looked up.
    package var boundEpoch: UInt32 = .max

    // Request in progress.
    package var bytesDone: UInt64 = 0
    package var wait: Wait = .none
    package var waitDeadlineNanoseconds: UInt64 = 0
    package var retriesLeft: UInt8 = 0
    package var isListedWaiting = false
    /// The queue pair that waits for a receive work request of this one, plus one; 0 when none does.
    package var waiterForReceive: UInt32 = 0

    // Scheduling.
    package var isActive = false
    /// Where it stands in its guest's list of active queue pairs, and in the list of waiting ones.
    package var activePosition: UInt32 = 0
    package var waitingPosition: UInt32 = 0
    package var idlePolls: UInt32 = 0
    /// Executed requests and bytes, for the status.
    package var requestCount: UInt64 = 0
    package var byteCount: UInt64 = 0
}
