internal import CLinux
internal import CVRDMAABI
internal import Provider

/// The memory regions that the posted requests of one queue use, each kept alive until the last request that uses it is
/// complete.
///
/// Requests complete in order, so this is a queue: a region enters with the first of successive requests that use it,
/// and leaves when the last of them is complete. A stream over one region costs a comparison per request. It is changed
/// under the lock with which the provider protects the queue; `due` alone is read without it.
struct HoldList<Region: AnyObject> {
    private struct Hold {
        var region: Unmanaged<Region>
        /// The last request that uses it.
        var lastIndex: UInt32
    }

    /// The index of the next request to be posted, running freely.
    private(set) var nextIndex: UInt32 = 0
    private var holds: UnsafeMutablePointer<Hold>
    private var capacity: UInt32
    private var first: UInt32 = 0
    private var end: UInt32 = 0
    /// The oldest hold's last request with bit 32 set; 0 when there is no hold.
    fileprivate var due: UInt64 = 0

    init() {
        capacity = 2
        holds = .allocate(capacity: 2)
    }

    /// Frees the list. It must be empty.
    func deallocate() {
        holds.deallocate()
    }

    /// Keeps a region until the request `position` after the next one is complete.
    @inline(__always)
    mutating func hold(_ region: Unmanaged<Region>, _ position: UInt32) {
        let index = nextIndex &+ position
        if first != end, holds[place(end &- 1)].region.toOpaque() == region.toOpaque() {
            holds[place(end &- 1)].lastIndex = index
            if end &- first == 1 { publishDue() }
        } else {
            append(region, index)
        }
    }

    /// Counts requests that were posted.
    @inline(__always)
    mutating func advance(by count: UInt32) {
        nextIndex = nextIndex &+ count
    }

    /// Takes the holds of requests up to the one at `index` away.
    @inline(never)
    mutating func take(through index: UInt32, into finished: inout FinishedHolds<Region>) {
        while first != end, Int32(bitPattern: index &- holds[place(first)].lastIndex) >= 0 {
            finished.append(holds[place(first)].region)
            first = first &+ 1
        }
        publishDue()
    }

    /// Takes all holds away and begins anew, as after a reset.
    mutating func takeAll(into finished: inout FinishedHolds<Region>) {
        while first != end {
            finished.append(holds[place(first)].region)
            first = first &+ 1
        }
        nextIndex = 0
        publishDue()
    }

    @inline(never)
    private mutating func append(_ region: Unmanaged<Region>, _ index: UInt32) {
        if end &- first == capacity { grow() }
        holds[place(end)] = Hold(region: region.retain(), lastIndex: index)
        end = end &+ 1
        if end &- first == 1 { publishDue() }
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Hold>.allocate(capacity: Int(capacity) * 2)
        let count = end &- first
        for offset in 0..<count { larger[Int(offset)] = holds[place(first &+ offset)] }
        holds.deallocate()
        holds = larger
        capacity *= 2
        first = 0
        end = count
    }

    @inline(__always)
    private func place(_ index: UInt32) -> Int { Int(truncatingIfNeeded: index & (capacity &- 1)) }

    @inline(__always)
    private mutating func publishDue() {
        let value = first == end ? 0 : 1 << 32 | UInt64(holds[place(first)].lastIndex)
        clinux_store_relaxed64(&due, value)
    }
}

/// Regions whose requests are complete, to be released when no lock is held: the end of a region is a command.
struct FinishedHolds<Region: AnyObject> {
    private var few = InlineArray<8, UInt>(repeating: 0)
    private var fewCount = 0
    private var more: [Unmanaged<Region>] = []

    mutating func append(_ region: Unmanaged<Region>) {
        if fewCount < few.count {
            few[fewCount] = UInt(bitPattern: region.toOpaque())
            fewCount += 1
        } else {
            more.append(region)
        }
    }

    @inline(__always)
    mutating func release() {
        if fewCount > 0 { releaseAll() }
    }

    @inline(never)
    private mutating func releaseAll() {
        for index in 0..<fewCount {
            guard let pointer = UnsafeRawPointer(bitPattern: few[index]) else { continue }
            Unmanaged<Region>.fromOpaque(pointer).release()
        }
        for region in more { region.release() }
        fewCount = 0
        more = []
    }
}

/// What a queue pair keeps alive, where the polling of its completion queues finds it: behind the provider's tag.
struct QueuePairHolds {
    var sends = HoldList<MemoryRegion>()
    var receives = HoldList<MemoryRegion>()
}

extension HoldList<MemoryRegion> {
    /// Notes that a request is complete, and all before it in its queue.
    @inline(__always)
    static func finish(
        _ completion: vrdma_cqe, _ queuePair: UnsafeMutablePointer<ProviderQueuePair>,
        into finished: inout FinishedHolds<MemoryRegion>
    ) {
        guard let holds = UnsafeMutablePointer<QueuePairHolds>(bitPattern: queuePair.pointee.userTag) else { return }
        if completion.opcode & 128 == 0 {
            guard isDue(clinux_load_relaxed64(&holds.pointee.sends.due), completion.wqe_index) else { return }
            queuePair.beginSend()
            holds.pointee.sends.take(through: completion.wqe_index, into: &finished)
            queuePair.endSend(0)
        } else {
            guard isDue(clinux_load_relaxed64(&holds.pointee.receives.due), completion.wqe_index) else { return }
            queuePair.beginReceive()
            holds.pointee.receives.take(through: completion.wqe_index, into: &finished)
            queuePair.endReceive(0)
        }
    }

    @inline(__always)
    private static func isDue(_ due: UInt64, _ index: UInt32) -> Bool {
        due != 0 && Int32(bitPattern: index &- UInt32(truncatingIfNeeded: due)) >= 0
    }
}
