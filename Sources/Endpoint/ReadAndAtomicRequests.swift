import CVRDMAABI
import MemoryTranslation
import SharedMemory
import Tables
import Verbs

/// RDMA READ and the atomic operations (IBA 9.4.4, 9.4.5).
extension Device {
    func executeRead(_ index: UInt32, _ wqe: vrdma_send_wqe, _ bytesLeft: inout UInt64) -> RequestOutcome {
        let skip = queuePairs[index].bytesDone
        let total = readSendElements(index, queuePairs[index].sendHead, count: Int(wqe.sge_count))
        guard total <= queuePairs[index].maxMessageBytes else { return fail(index, wqe, .localLengthError) }
        guard queuePairs[index].attributes.max_rd_atomic > 0 else {
            return fail(index, wqe, .localQueuePairOperationError)
        }
        // Where the answer goes is checked before the question is asked.
        let limit = min(limits.bytesPerTurn, total &- min(skip, total))
        let destination = Gather.pieces(
            of: scratch.sourceRanges, count: Int(wqe.sge_count), into: scratch.destinationPieces, skipBytes: skip,
            limitBytes: limit, mappings: queuePairs[index].mappings,
            protectionDomain: queuePairs[index].protectionDomain, needs: .localWrite)
        guard destination.fault == .none else { return fail(index, wqe, .localProtectionError) }

        guard isBound(index) || bind(index) else { return waitForAnswer(index) }
        let peer = queuePairs[index].peer
        guard permitsReadOrAtomic(peer, .remoteRead) else {
            return fail(index, wqe, .remoteInvalidRequestError) { failResponder(peer, .queuePairRequestError) }
        }
        if total > 0 {
            scratch.destinationRanges[0] = RequestRange(
                key: MemoryKey(rawValue: wqe.rkey), address: wqe.remote_address, lengthBytes: total)
            let source = Gather.pieces(
                of: scratch.destinationRanges, count: 1, into: scratch.sourcePieces, skipBytes: skip,
                limitBytes: limit, mappings: queuePairs[peer].mappings,
                protectionDomain: queuePairs[peer].protectionDomain, needs: .remoteRead)
            guard source.fault == .none else {
                return fail(index, wqe, .remoteAccessError) { failResponder(peer, .queuePairAccessError) }
            }
            let count = min(source.byteCount, destination.byteCount)
            Gather.copy(to: scratch.destinationPieces, from: scratch.sourcePieces, count: count)
            bytesLeft &-= min(bytesLeft, count)
            guard skip &+ count >= total else {
                guard count > 0 else { return fail(index, wqe, .localQueuePairOperationError) }
                queuePairs[index].bytesDone = skip &+ count
                return .unfinished
            }
        }
        let packets = packetCount(index, total)
        advanceResponder(peer, by: packets)
        finish(index, wqe, .rdmaRead, byteCount: total, packets: packets)
        return .completed
    }

    func executeAtomic(_ index: UInt32, _ wqe: vrdma_send_wqe, _ opcode: WorkRequestOpcode) -> RequestOutcome {
        let head = queuePairs[index].sendHead
        let element = queuePairs[index].send.sendElement(head, 0)
        guard wqe.sge_count == 1, element.length >= 8 else { return fail(index, wqe, .localLengthError) }
        guard queuePairs[index].attributes.max_rd_atomic > 0 else {
            return fail(index, wqe, .localQueuePairOperationError)
        }
        var answer = vrdma_sge(address: element.address, length: 8, lkey: element.lkey)
        let answerPlace = translateLocal(index, answer, needs: .localWrite)
        guard answerPlace.fault == .none else { return fail(index, wqe, .localProtectionError) }

        guard isBound(index) || bind(index) else { return waitForAnswer(index) }
        let peer = queuePairs[index].peer
        guard permitsReadOrAtomic(peer, .remoteAtomic), wqe.remote_address & 7 == 0 else {
            return fail(index, wqe, .remoteInvalidRequestError) { failResponder(peer, .queuePairRequestError) }
        }
        let place = queuePairs[peer].mappings.translate(
            MemoryKey(rawValue: wqe.rkey), address: wqe.remote_address, lengthBytes: 8,
            protectionDomain: queuePairs[peer].protectionDomain, needs: .remoteAtomic)
        // A region whose memory is not aligned as its addresses say (zero-based, or registered at another address)
        // has no word that could be changed at once.
        guard place.fault == .none, place.contiguousBytes >= 8, place.hostAddress & 7 == 0 else {
            return fail(index, wqe, .remoteAccessError) { failResponder(peer, .queuePairAccessError) }
        }
        recordProgress(index, peer: peer)
        let original =
            opcode == .fetchAndAdd
            ? DataCopy.fetchAndAdd(place.hostAddress, wqe.extension.atomic.compare_add)
            : DataCopy.compareAndSwap(
                place.hostAddress, expected: wqe.extension.atomic.compare_add, desired: wqe.extension.atomic.swap)
        if answerPlace.contiguousBytes >= 8 {
            DataCopy.store(original, to: answerPlace.hostAddress)
        } else {
            storeAcrossExtents(index, &answer, original)
        }
        advanceResponder(peer, by: 1)
        finish(index, wqe, opcode, byteCount: 8, packets: 1)
        return .completed
    }

    /// The peer takes part in READs or atomics, and its queue pair permits them.
    private func permitsReadOrAtomic(_ peer: UInt32, _ access: AccessFlags) -> Bool {
        queuePairs[peer].access.contains(access) && queuePairs[peer].attributes.max_destination_rd_atomic > 0
    }

    /// The answer of an atomic where the requester's region changes extent within its eight bytes.
    private func storeAcrossExtents(_ index: UInt32, _ answer: inout vrdma_sge, _ value: UInt64) {
        scratch.sourceRanges[0] = RequestRange(
            key: MemoryKey(rawValue: answer.lkey), address: answer.address, lengthBytes: 8)
        let pieces = Gather.pieces(
            of: scratch.sourceRanges, count: 1, into: scratch.destinationPieces, skipBytes: 0, limitBytes: 8,
            mappings: queuePairs[index].mappings, protectionDomain: queuePairs[index].protectionDomain,
            needs: .localWrite)
        guard pieces.fault == .none, pieces.byteCount == 8 else { return }
        withUnsafeBytes(of: value) { bytes in
            scratch.sourcePieces[0] = Piece(hostAddress: UInt(bitPattern: bytes.baseAddress), lengthBytes: 8)
            Gather.copy(to: scratch.destinationPieces, from: scratch.sourcePieces, count: 8)
        }
    }
}
