import CVRDMAABI
import MemoryTranslation
import SharedMemory
import Tables
import Verbs

/// SEND and RDMA WRITE, with and without immediate data: from the requester's memory to the peer's (IBA 9.4.1, 9.4.3).
extension Device {
    func executeTransfer(
        _ index: UInt32, _ wqe: vrdma_send_wqe, _ opcode: WorkRequestOpcode, isInline: Bool,
        _ bytesLeft: inout UInt64
    ) -> RequestOutcome {
        // The requester's own memory first: an error there is found before anything is sent.
        let head = queuePairs[index].sendHead
        let skip = queuePairs[index].bytesDone
        // A message that fits into a turn is not cut, even where others used part of the turn.
        let limit = limits.bytesPerTurn
        var total: UInt64
        var source = Piece()
        var isSourceSingle = true
        var sourceBytes: UInt64 = 0
        if isInline {
            total = UInt64(wqe.inline_bytes)
            source = Piece(hostAddress: queuePairs[index].send.inlineDataAddress(head), lengthBytes: total)
        } else if wqe.sge_count == 1 {
            let element = queuePairs[index].send.sendElement(head, 0)
            total = UInt64(element.length)
            if total > 0 {
                let place = translateLocal(index, element, needs: [])
                guard place.fault == .none else { return fail(index, wqe, .localProtectionError) }
                source = Piece(hostAddress: place.hostAddress, lengthBytes: min(total, place.contiguousBytes))
                isSourceSingle = source.lengthBytes == total
            }
        } else {
            total = readSendElements(index, head, count: Int(wqe.sge_count))
            isSourceSingle = total == 0
        }
        guard total <= queuePairs[index].maxMessageBytes else { return fail(index, wqe, .localLengthError) }
        if !isSourceSingle {
            // On the path of a single element it was not listed.
            if wqe.sge_count == 1 { _ = readSendElements(index, head, count: 1) }
            let pieces = Gather.pieces(
                of: scratch.sourceRanges, count: Int(wqe.sge_count), into: scratch.sourcePieces, skipBytes: skip,
                limitBytes: limit, mappings: queuePairs[index].mappings,
                protectionDomain: queuePairs[index].protectionDomain, needs: [])
            guard pieces.fault == .none else { return fail(index, wqe, .localProtectionError) }
            sourceBytes = pieces.byteCount
        }

        guard isBound(index) || bind(index) else { return waitForAnswer(index) }
        let peer = queuePairs[index].peer

        // The peer's receive work request.
        var receiveWQE = vrdma_receive_wqe()
        if opcode.consumesReceive {
            guard hasReceive(peer) else { return waitForReceive(index, wqe, peer: peer) }
            guard queuePairs[peer].state != .error else { return .blocked }
            receiveWQE = queuePairs[peer].receive.receiveEntry(queuePairs[peer].receiveHead)
        }

        // The peer's memory.
        var destination = Piece()
        var isDestinationSingle = true
        var rangeCount = 0
        var destinationAccess = AccessFlags.localWrite
        if opcode == .send || opcode == .sendWithImmediate {
            let capacity = readReceiveElements(peer, receiveWQE)
            guard let capacity else {
                return fail(index, wqe, .remoteOperationError) {
                    failReceive(peer, receiveWQE, .localQueuePairOperationError)
                }
            }
            guard total <= capacity else {
                return fail(index, wqe, .remoteInvalidRequestError) { failReceive(peer, receiveWQE, .localLengthError) }
            }
            rangeCount = limitDestinationRanges(count: Int(receiveWQE.sge_count), to: total)
        } else {
            guard queuePairs[peer].access.contains(.remoteWrite) else {
                return fail(index, wqe, .remoteInvalidRequestError) { failResponder(peer, .queuePairRequestError) }
            }
            destinationAccess = .remoteWrite
            scratch.destinationRanges[0] = RequestRange(
                key: MemoryKey(rawValue: wqe.rkey), address: wqe.remote_address, lengthBytes: total)
            rangeCount = 1
        }
        if total > 0 {
            if rangeCount == 1 {
                let range = scratch.destinationRanges[0]
                let place = queuePairs[peer].mappings.translate(
                    range.key, address: range.address, lengthBytes: range.lengthBytes,
                    protectionDomain: queuePairs[peer].protectionDomain, needs: destinationAccess)
                guard place.fault == .none else {
                    return failDestination(index, wqe, opcode, peer: peer, receiveWQE)
                }
                destination = Piece(
                    hostAddress: place.hostAddress, lengthBytes: min(range.lengthBytes, place.contiguousBytes))
                isDestinationSingle = destination.lengthBytes == range.lengthBytes
            } else {
                isDestinationSingle = false
            }
        }

        // The data.
        if opcode.consumesReceive, skip == 0 { recordProgress(index, peer: peer) }
        var done = total
        if isSourceSingle, isDestinationSingle, total <= limit {
            if total > 0 { DataCopy.copy(to: destination.hostAddress, from: source.hostAddress, count: total) }
            bytesLeft &-= min(bytesLeft, total)
        } else {
            if isSourceSingle {
                sourceBytes = total &- min(skip, total)
                scratch.sourcePieces[0] = Piece(
                    hostAddress: source.hostAddress &+ UInt(truncatingIfNeeded: total &- sourceBytes),
                    lengthBytes: sourceBytes)
            }
            let destinationResult = Gather.pieces(
                of: scratch.destinationRanges, count: rangeCount, into: scratch.destinationPieces, skipBytes: skip,
                limitBytes: min(limit, total &- skip), mappings: queuePairs[peer].mappings,
                protectionDomain: queuePairs[peer].protectionDomain, needs: destinationAccess)
            guard destinationResult.fault == .none else {
                return failDestination(index, wqe, opcode, peer: peer, receiveWQE)
            }
            let count = min(sourceBytes, destinationResult.byteCount)
            Gather.copy(to: scratch.destinationPieces, from: scratch.sourcePieces, count: count)
            bytesLeft &-= min(bytesLeft, count)
            done = skip &+ count
            guard done >= total else {
                // A list of pieces that makes no progress cannot happen; if it did, the turn would not end here.
                guard count > 0 else { return fail(index, wqe, .localQueuePairOperationError) }
                queuePairs[index].bytesDone = done
                return .unfinished
            }
        }

        // The effects in their order: data (above), receiver's completion, requester's completion, consumer index.
        let packets = packetCount(index, total)
        advanceResponder(peer, by: packets)
        if opcode.consumesReceive {
            finishReceive(peer, receiveWQE, wqe, opcode, byteCount: total, sourceNumber: queuePairs[index].number)
        }
        finish(index, wqe, opcode, byteCount: total, packets: packets)
        return .completed
    }

    /// How many packets a message takes on the wire (IBA 9.7.2): they are what PSNs count.
    @inline(__always)
    func packetCount(_ index: UInt32, _ byteCount: UInt64) -> UInt32 {
        let shift = UInt64(queuePairs[index].mtuShift)
        let mask = (UInt64(1) << shift) &- 1
        return max(1, UInt32(truncatingIfNeeded: (byteCount &+ mask) >> shift))
    }

    /// Notes the packets that the responder has taken, also for a successor of the endpoint.
    @inline(__always)
    func advanceResponder(_ peer: UInt32, by packets: UInt32) {
        queuePairs[peer].receivePSN = queuePairs[peer].receivePSN.advanced(by: packets)
        queuePairs[peer].receive.psn.storeRelaxed(queuePairs[peer].receivePSN.rawValue)
    }

    @inline(__always)
    func translateLocal(_ index: UInt32, _ element: vrdma_sge, needs access: AccessFlags) -> Translation {
        queuePairs[index].mappings.translate(
            MemoryKey(rawValue: element.lkey), address: element.address, lengthBytes: UInt64(element.length),
            protectionDomain: queuePairs[index].protectionDomain, needs: access)
    }

    /// Lists the scatter/gather elements of a send queue entry; returns the sum of their lengths.
    func readSendElements(_ index: UInt32, _ head: UInt32, count: Int) -> UInt64 {
        var total: UInt64 = 0
        for position in 0..<min(count, TransferScratch.rangeCapacity) {
            let element = queuePairs[index].send.sendElement(head, UInt32(position))
            scratch.sourceRanges[position] = RequestRange(
                key: MemoryKey(rawValue: element.lkey), address: element.address, lengthBytes: UInt64(element.length))
            total &+= UInt64(element.length)
        }
        return total
    }

    /// Lists the elements of the peer's receive entry; nil when it names more than its queue permits.
    private func readReceiveElements(_ peer: UInt32, _ wqe: vrdma_receive_wqe) -> UInt64? {
        guard wqe.sge_count <= queuePairs[peer].maxReceiveElements else { return nil }
        var total: UInt64 = 0
        for position in 0..<min(Int(wqe.sge_count), TransferScratch.rangeCapacity) {
            let element = queuePairs[peer].receive.receiveElement(queuePairs[peer].receiveHead, UInt32(position))
            scratch.destinationRanges[position] = RequestRange(
                key: MemoryKey(rawValue: element.lkey), address: element.address, lengthBytes: UInt64(element.length))
            total &+= UInt64(element.length)
        }
        return total
    }

    /// Shortens the list of the receive's elements to what the message reaches, since only that is checked; returns how
    /// many are left.
    @inline(__always)
    private func limitDestinationRanges(count: Int, to total: UInt64) -> Int {
        var rest = total
        for position in 0..<count {
            guard rest > 0 else { return position }
            let taken = min(rest, scratch.destinationRanges[position].lengthBytes)
            scratch.destinationRanges[position].lengthBytes = taken
            rest &-= taken
        }
        return count
    }

    private func failDestination(
        _ index: UInt32, _ wqe: vrdma_send_wqe, _ opcode: WorkRequestOpcode, peer: UInt32,
        _ receiveWQE: vrdma_receive_wqe
    ) -> RequestOutcome {
        if opcode == .send || opcode == .sendWithImmediate {
            return fail(index, wqe, .remoteOperationError) { failReceive(peer, receiveWQE, .localProtectionError) }
        }
        return fail(index, wqe, .remoteAccessError) { failResponder(peer, .queuePairAccessError) }
    }
}
