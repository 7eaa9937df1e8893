import CVRDMAABI
import SharedMemory
import Verbs

/// The endpoint's part, played by the test.
extension FakeGuestDriver {
    /// Takes the next send request of a queue pair; nil when there is none.
    func takeSend(_ number: UInt32) -> (wqe: vrdma_send_wqe, index: UInt32)? {
        guard let queue = queuePairs[number]?.send else { return nil }
        let head = queue.head.relaxed()
        guard head != queue.tail.acquire() else { return nil }
        let wqe = queue.sendEntry(head)
        queue.head.release(head &+ 1)
        return (wqe, head)
    }

    func takeReceive(_ number: UInt32) -> (wqe: vrdma_receive_wqe, index: UInt32)? {
        guard let queue = queuePairs[number]?.receive else { return nil }
        let head = queue.head.relaxed()
        guard head != queue.tail.acquire() else { return nil }
        let wqe = queue.receiveEntry(head)
        queue.head.release(head &+ 1)
        return (wqe, head)
    }

    /// Adds a completion to a queue; false when the queue is full.
    @discardableResult
    func complete(
        _ completionQueue: UInt32, _ number: UInt32, identifier: UInt64, index: UInt32,
        _ opcode: WorkCompletionOpcode, _ status: WorkCompletionStatus = .success
    ) -> Bool {
        guard let ring = completionQueues[completionQueue]?.ring else { return false }
        let tail = ring.tail.relaxed()
        guard tail &- ring.head.acquire() < ring.entryCount else {
            overruns += 1
            return false
        }
        var completion = vrdma_cqe()
        completion.wr_id = identifier
        completion.status = status.rawValue
        completion.opcode = opcode.rawValue
        completion.qp_number = number
        completion.slot = queuePairs[number]?.command.slot ?? .max
        completion.wqe_index = index
        ring.publish(completion, at: tail)
        ring.tail.storeRelaxed(tail &+ 1)
        return true
    }

    /// Takes and completes all send requests; with `everyNth`, only each nth is signalled.
    @discardableResult
    func completeSends(_ number: UInt32, everyNth: UInt32 = 1) -> Int {
        var count = 0
        while let (wqe, index) = takeSend(number) {
            count += 1
            guard (index &+ 1) % everyNth == 0, let queuePair = queuePairs[number] else { continue }
            complete(queuePair.command.send_cq, number, identifier: wqe.wr_id, index: index, .rdmaWrite)
        }
        return count
    }

    @discardableResult
    func completeReceives(_ number: UInt32) -> Int {
        var count = 0
        while let (wqe, index) = takeReceive(number) {
            count += 1
            guard let queuePair = queuePairs[number] else { continue }
            complete(queuePair.command.receive_cq, number, identifier: wqe.wr_id, index: index, .receive)
        }
        return count
    }
}
