internal import CVRDMAABI
internal import Provider

/// Queue entries are written field by field, each once, straight into shared memory.
///
/// Requests are read through pointers: one that is copied out of a list is counted as a reference to its memory, which
/// costs as much as all the rest.
extension QueuePair {
    private static var sendPayloadOffset: Int { MemoryLayout<vrdma_send_wqe>.size }
    private static var receivePayloadOffset: Int { MemoryLayout<vrdma_receive_wqe>.size }

    /// Fills in a send queue entry, and keeps its memory alive.
    @inline(__always)
    func write(
        _ request: UnsafePointer<WorkRequest>, to entry: UnsafeMutableRawPointer, position: UInt32
    ) -> PostingProblem {
        let payload = entry + Self.sendPayloadOffset
        guard request.pointee.flags.contains(.inline) else {
            let count = request.pointee.elements.count
            guard count <= capabilities.maxSendElements else { return .tooManyElements(count) }
            writeHeader(request, to: entry, elementCount: UInt16(truncatingIfNeeded: count), inlineBytes: 0)
            if let first = request.pointee.elements.borrowedFirst {
                Self.store(first, at: payload)
                holds.pointee.sends.hold(first.region, position)
                if count > 1 { writeRest(request.pointee.elements.rest, payload, sending: true, position) }
            }
            return .none
        }
        return writeInline(request, to: entry)
    }

    /// Fills in a receive queue entry, and keeps its memory alive.
    @inline(__always)
    func write(
        _ request: UnsafePointer<ReceiveRequest>, to entry: UnsafeMutableRawPointer, position: UInt32
    ) -> PostingProblem {
        let count = request.pointee.elements.count
        guard count <= capabilities.maxReceiveElements else { return .tooManyElements(count) }
        let wqe = entry.assumingMemoryBound(to: vrdma_receive_wqe.self)
        wqe.pointee.wr_id = request.pointee.identifier
        wqe.pointee.sge_count = UInt32(truncatingIfNeeded: count)
        wqe.pointee.reserved = 0
        if let first = request.pointee.elements.borrowedFirst {
            let payload = entry + Self.receivePayloadOffset
            Self.store(first, at: payload)
            holds.pointee.receives.hold(first.region, position)
            if count > 1 { writeRest(request.pointee.elements.rest, payload, sending: false, position) }
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
        withUnsafePointer(to: request) {
            writeHeader($0, to: entry, elementCount: 0, inlineBytes: UInt32(truncatingIfNeeded: count))
        }
        bytes.withUnsafeBytes { source in
            guard let start = source.baseAddress else { return }
            (entry + Self.sendPayloadOffset).copyMemory(from: start, byteCount: source.count)
        }
        return .none
    }

    @inline(__always)
    private func writeHeader(
        _ request: UnsafePointer<WorkRequest>, to entry: UnsafeMutableRawPointer, elementCount: UInt16,
        inlineBytes: UInt32
    ) {
        let wqe = entry.assumingMemoryBound(to: vrdma_send_wqe.self)
        wqe.pointee.wr_id = request.pointee.identifier
        wqe.pointee.opcode = request.pointee.opcode.rawValue
        wqe.pointee.flags = request.pointee.flags.intersection(.all).rawValue
        wqe.pointee.sge_count = elementCount
        wqe.pointee.immediate = request.pointee.immediate.bigEndian
        wqe.pointee.remote_address = request.pointee.remote.address
        wqe.pointee.rkey = request.pointee.remote.key.rawValue
        wqe.pointee.inline_bytes = inlineBytes
        wqe.pointee.extension.atomic.compare_add = request.pointee.compareOrAdd
        wqe.pointee.extension.atomic.swap = request.pointee.swap
    }

    @inline(__always)
    private static func store(_ element: BorrowedElement, at payload: UnsafeMutableRawPointer, _ index: Int = 0) {
        let sge = payload.assumingMemoryBound(to: vrdma_sge.self) + index
        element.region._withUnsafeGuaranteedRef { region in
            sge.pointee.address = region.address &+ element.offset
            sge.pointee.lkey = region.localKey.rawValue
        }
        sge.pointee.length = element.byteCount
    }

    @inline(never)
    private func writeRest(
        _ rest: [ScatterGatherElement], _ payload: UnsafeMutableRawPointer, sending: Bool, _ position: UInt32
    ) {
        for (index, element) in rest.enumerated() {
            let borrowed = BorrowedElement(element)
            Self.store(borrowed, at: payload, index + 1)
            if sending {
                holds.pointee.sends.hold(borrowed.region, position)
            } else {
                holds.pointee.receives.hold(borrowed.region, position)
            }
        }
    }

    /// Gathers the data of registered memory into the entry. The memory is not needed any more afterwards.
    @inline(never)
    private func writeInline(
        _ request: UnsafePointer<WorkRequest>, to entry: UnsafeMutableRawPointer
    ) -> PostingProblem {
        guard request.pointee.opcode.rawValue < WorkRequestOpcode.rdmaRead.rawValue else { return .notInline }
        let elements = request.pointee.elements
        let total = elements.byteCount
        guard total <= UInt64(capabilities.maxInlineBytes) else { return .tooManyInlineBytes(Int(clamping: total)) }
        var place = entry + Self.sendPayloadOffset
        for element in CollectionOfOne(elements.first).compactMap({ $0 }) + elements.rest {
            guard let source = element.localBytes else { return .outsideOfRegion }
            if let start = source.baseAddress { place.copyMemory(from: start, byteCount: source.count) }
            place += source.count
        }
        writeHeader(request, to: entry, elementCount: 0, inlineBytes: UInt32(truncatingIfNeeded: total))
        return .none
    }
}
