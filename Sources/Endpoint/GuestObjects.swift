import CVRDMAABI
import LinuxIO
import MemoryTranslation
import SharedMemory
import Tables
import Verbs

/// A protection domain: what groups queue pairs and the memory that they may use (IBA 10.2.3).
package struct ProtectionDomain {
    package var context: UInt32
    package var useCount = 0
    /// The host adapter's protection domain for this one, as long as the device is there.
    package var host: HostHandle?
}

/// A completion channel: the socket on which an application waits for completion events.
package struct CompletionChannel {
    package var context: UInt32
    package var socket: FileDescriptor
    package var useCount = 0
}

/// A piece of shared memory of a guest, by which queues and memory regions name their bytes.
package struct Region {
    package var context: UInt32
    package var mapping: Mapping
    package var useCount = 0
}

/// What a memory region holds on to.
package struct RegisteredMemory {
    package var context: UInt32
    /// What the guest asked for, by which it can be registered again with a device that comes back.
    package var request: vrdma_reg_mr_command
    package var extents: [Extent]
    /// The host adapter's name of it, as long as it is registered there.
    package var host: HostHandle?

    package var protectionDomain: UInt32 { request.pd }
    package var lengthBytes: UInt64 { request.length }
}

/// An application's open device.
package struct Context: BitwiseCopyable {
    package var guest: UInt32
    package var schedule: UInt32
    package var doorbells: DoorbellTree
    /// From doorbell slot to queue pair index, .max where there is none.
    package var slots: Block<UInt32>
    package var isHot = false
    package var idleTurns: UInt32 = 0
}

/// The parts of a context that only commands use: above all what it owns, so that closing it costs no more than making
/// its objects did.
package final class ContextDetails {
    /// Queue pairs, by table index.
    var queuePairs: Set<UInt32> = []
    /// Completion queues, by handle.
    var completionQueues: Set<UInt32> = []
    /// Memory regions, by key.
    var memoryRegions: Set<UInt32> = []
    var protectionDomains: Set<UInt32> = []
    var channels: Set<UInt32> = []
    /// Shared memory, by handle.
    var regions: Set<UInt32> = []
    package let region: UInt32
    package let asyncSocket: FileDescriptor
    /// By which the application wakes the endpoint.
    package let kick: FileDescriptor
    package let processIdentifier: UInt32
    package let processName: String

    package init(
        region: UInt32, asyncSocket: FileDescriptor, kick: FileDescriptor, processIdentifier: UInt32,
        processName: String
    ) {
        self.region = region
        self.asyncSocket = asyncSocket
        self.kick = kick
        self.processIdentifier = processIdentifier
        self.processName = processName
    }
}
