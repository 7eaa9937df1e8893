import CVRDMAABI
import Provider

/// Queue entries are written field by field, each once, straight into shared memory.
extension QueuePair {
    private static var sendPayloadOffset: Int { MemoryLayout<vrdma_send_wqe>.size }
    private static var receivePayloadOffset: Int { MemoryLayout<vrdma_receive_wqe>.size }

    /// Fills in a send queue entry, and keeps its memory alive.
    @inline(__always)
    func write(_ request: WorkRequest, to entry: UnsafeMutableRawPointer, position: UInt32) -> PostingProblem {
        let payload = entry + Self.sendPayloadOffset
        guard request.flags.contains(.inline) else {
            let count = request.elements.count
            guard count <= capabilities.maxSendElements else { return .tooManyElements(count) }
            writeHeader(request, to: entry, elementCount: UInt16(truncatingIfNeeded: count), inlineBytes: 0)
            if let first = request.elements.first {
                Self.store(first, at: payload, 0)
                holds.pointee.sends.hold(first.region, position)
                if count > 1 { writeRest(request.elements.rest, payload, sending: true, position) }
            }
            return .none
        }
        return writeInline(request, to: entry)
    }

    /// Fills in a receive queue entry, and keeps its memory alive.
    @inline(__always)
    func write(_ request: ReceiveRequest, to entry: UnsafeMutableRawPointer, position: UInt32) -> PostingProblem {
        let count = request.elements.count
        guard count <= capabilities.maxReceiveElements else { return .tooManyElements(count) }
        let wqe = entry.assumingMemoryBound(to: vrdma_receive_wqe.self)
        wqe.pointee.wr_id = request.identifier
        wqe.pointee.sge_count = UInt32(truncatingIfNeeded: count)
        wqe.pointee.reserved = 0
        if let first = request.elements.first {
            let payload = entry + Self.receivePayloadOffset
            Self.store(first, at: payload, 0)
            holds.pointee.receives.hold(first.region, position)
            if count > 1 { writeRest(request.elements.rest, payload, sending: false, position) }
        }
        return .none
    }

    /// Fills in a send queue entry whose data comes from anywhere.
    func write(_ request: WorkRequest, inlining bytes: RawSpan, to entry: UnsafeMutableRawPointer) -> PostingProblem {
        guard request.opcode.rawValue < WorkRequestOpcode.rdmaRead.rawValue else { return .notInline }
        let count = bytes.byteCount
        guard count <= capabilities.maxInlineBytes else { return .tooManyInlineBytes(count) }
        var request = request
        request.flags.insert(.inline)
        writeHeader(request, to: entry, elementCount: 0, inlineBytes: UInt32(truncatingIfNeeded: count))
        bytes.withUnsafeBytes { source in
            guard let start = source.baseAddress else { return }
            (entry + Self.sendPayloadOffset).copyMemory(from: start, byteCount: source.count)
        }
        return .none
    }

    @inline(__always)
    private func writeHeader(
        _ request: WorkRequest, to entry: UnsafeMutableRawPointer, elementCount: UInt16, inlineBytes: UInt32
    ) {
        let wqe = entry.assumingMemoryBound(to: vrdma_send_wqe.self)
        wqe.pointee.wr_id = request.identifier
        wqe.pointee.opcode = request.opcode.rawValue
        wqe.pointee.flags = request.flags.intersection(.all).rawValue
        wqe.pointee.sge_count = elementCount
        wqe.pointee.immediate = request.immediate.bigEndian
        wqe.pointee.remote_address = request.remote.address
        wqe.pointee.rkey = request.remote.key.rawValue
        wqe.pointee.inline_bytes = inlineBytes
        wqe.pointee.extension.atomic.compare_add = request.compareOrAdd
        wqe.pointee.extension.atomic.swap = request.swap
    }

    @inline(__always)
    private static func store(_ element: ScatterGatherElement, at payload: UnsafeMutableRawPointer, _ index: Int) {
        let sge = payload.assumingMemoryBound(to: vrdma_sge.self) + index
        sge.pointee.address = element.region.address &+ element.offset
        sge.pointee.length = element.byteCount
        sge.pointee.lkey = element.region.localKey.rawValue
    }

    @inline(never)
    private func writeRest(
        _ rest: [ScatterGatherElement], _ payload: UnsafeMutableRawPointer, sending: Bool, _ position: UInt32
    ) {
        for (index, element) in rest.enumerated() {
            Self.store(element, at: payload, index + 1)
            if sending {
                holds.pointee.sends.hold(element.region, position)
            } else {
                holds.pointee.receives.hold(element.region, position)
            }
        }
    }

    /// Gathers the data of registered memory into the entry. The memory is not needed any more afterwards.
    @inline(never)
    private func writeInline(_ request: WorkRequest, to entry: UnsafeMutableRawPointer) -> PostingProblem {
        guard request.opcode.rawValue < WorkRequestOpcode.rdmaRead.rawValue else { return .notInline }
        let total = request.elements.byteCount
        guard total <= UInt64(capabilities.maxInlineBytes) else { return .tooManyInlineBytes(Int(clamping: total)) }
        var place = entry + Self.sendPayloadOffset
        for element in CollectionOfOne(request.elements.first).compactMap({ $0 }) + request.elements.rest {
            guard let source = element.localBytes else { return .outsideOfRegion }
            if let start = source.baseAddress { place.copyMemory(from: start, byteCount: source.count) }
            place += source.count
        }
        writeHeader(request, to: entry, elementCount: 0, inlineBytes: UInt32(truncatingIfNeeded: total))
        return .none
    }
}
