import CVRDMAABI
import MemoryTranslation
import SharedMemory
import Tables
import Verbs

/// Hands guests' receives to the host adapter: as soon as they are posted, since only the device knows when a message
/// comes.
extension Device {
    /// Hands on receives. False when there were none.
    func forwardReceives(_ index: UInt32, limit: Int) -> Bool {
        guard let host, queuePairs[index].receive.entryCount > 0 else { return false }
        let tail = queuePairs[index].receive.tail.acquire()
        let first = queuePairs[index].receiveForwarded
        guard tail != first else { return false }
        guard tail &- queuePairs[index].receiveHead <= queuePairs[index].receive.entryCount,
            tail &- first <= tail &- queuePairs[index].receiveHead
        else {
            breakQueuePair(index, "receive queue index out of range")
            return true
        }
        let count = min(UInt32(clamping: limit), tail &- first)
        var done: UInt32 = 0
        while done < count {
            var appended: UInt32 = 0
            while done &+ appended < count, appendReceive(index, first &+ done &+ appended, to: host) {
                appended &+= 1
            }
            let posted = UInt32(clamping: host.adapter.postReceives(index))
            done &+= posted
            guard posted == appended, posted > 0 else { break }
        }
        queuePairs[index].receiveForwarded = first &+ done
        turn.requestsLeft &-= Int(done)
        if done > 0, queuePairs[index].state == .error { failOnHost(index) }
        if done == 0, queuePairs[index].path == .host, host.adapter.isAvailable {
            abandonHostPath(index)
            enterError(index)
            raise(.queuePairFatal, queuePair: index)
        }
        return true
    }

    private func appendReceive(_ index: UInt32, _ position: UInt32, to host: HostState) -> Bool {
        let wqe = queuePairs[index].receive.receiveEntry(position)
        var count = 0
        if wqe.sge_count <= queuePairs[index].maxReceiveElements {
            for element in 0..<wqe.sge_count {
                add(index, queuePairs[index].receive.receiveElement(position, element), host, &count)
            }
        } else {
            host.elements[0] = vrdma_sge(address: 0, length: .max >> 1, lkey: host.adapter.forbiddenLocalKey)
            count = 1
        }
        return host.adapter.appendReceive(index: position, elements: host.elements, elementCount: count)
    }

    /// Adds an element with the key that the device knows. An element without bytes is left out: it is not checked
    /// (IBA 10.6.3.2), and some devices take the length 0 for the greatest one. What is wrong with an element matters only
    /// to a message that reaches it, so the device finds that out.
    @inline(__always)
    private func add(_ index: UInt32, _ element: vrdma_sge, _ host: HostState, _ count: inout Int) {
        guard element.length > 0, count < host.elements.count else { return }
        var translated = element
        translated.lkey =
            queuePairs[index].mappings.hostKey(MemoryKey(rawValue: element.lkey)) ?? host.adapter.forbiddenLocalKey
        host.elements[count] = translated
        count &+= 1
    }
}
