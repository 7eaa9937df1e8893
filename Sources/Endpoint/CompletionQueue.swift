import SharedMemory

/// A completion queue of the device.
package struct CompletionQueue: BitwiseCopyable {
    package var guest: UInt32
    package var context: UInt32
    package var slot: UInt32
    package var ring: CompletionRing
    package var region: UInt32
    /// The handle of the completion channel, or 0.
    package var channel: UInt32
    /// The next entry to write: the truth, of which shared memory holds a copy.
    package var tail: UInt32 = 0
    /// The consumer's index when it was last read.
    package var knownHead: UInt32 = 0
    package var armServed: UInt32 = 0
    package var queuePairCount: UInt32 = 0
    /// The host adapter has a completion queue for this one.
    package var hasHostObject = false
    /// Overrun: no completion is delivered any more (IBA 11.2.8).
    package var isBroken = false
    /// Waits for the look at its arm word at the end of the turn.
    package var isDirty = false
    /// Since the last such look, there was a completion that counts as solicited.
    package var sawSolicited = false

    package init(
        guest: UInt32, context: UInt32, slot: UInt32, ring: CompletionRing, region: UInt32, channel: UInt32
    ) {
        self.guest = guest
        self.context = context
        self.slot = slot
        self.ring = ring
        self.region = region
        self.channel = channel
    }
}
