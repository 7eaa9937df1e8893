import CRDMACore
import CVRDMAABI
import Endpoint
import Tables
import Verbs

extension VerbsAdapter {
    package func appendSend(_ request: HostSendRequest, elements: Block<vrdma_sge>) -> Bool {
        sends.append(request, elements)
    }

    package func signalLastSend() {
        sends.signalLast()
    }

    package func appendReceive(index: UInt32, elements: Block<vrdma_sge>, elementCount: Int) -> Bool {
        receives.append(index, elements, elementCount)
    }

    package func postSends(_ queuePair: UInt32) -> Int {
        let place = Int(queuePair)
        guard place < queuePairs.count, let real = queuePairs[place].real else {
            sends.removeAll()
            return 0
        }
        let generation = queuePairs[place].generation
        let (count, last, result) = sends.post(on: real, queuePair, generation)
        if result != 0 { lastPostingError = noteFailure(.ofDevice(result)) }
        guard count > 0, queuePairs[place].real != nil else { return count }
        queuePairs[place].sendTail = last &+ 1
        queuePairs[place].sendOutstanding &+= UInt32(truncatingIfNeeded: count)
        let queue = queuePairs[place].sendCompletionQueue
        completionQueues[Int(queue)].outstanding &+= UInt64(truncatingIfNeeded: count)
        makeHot(queue)
        return count
    }

    package func postReceives(_ queuePair: UInt32) -> Int {
        let place = Int(queuePair)
        guard place < queuePairs.count, let real = queuePairs[place].real else {
            receives.removeAll()
            return 0
        }
        let generation = queuePairs[place].generation
        let (count, last, result) = receives.post(on: real, queuePair, generation)
        if result != 0 { lastPostingError = noteFailure(.ofDevice(result)) }
        guard count > 0, queuePairs[place].real != nil else { return count }
        queuePairs[place].receiveTail = last &+ 1
        queuePairs[place].receiveOutstanding &+= UInt32(truncatingIfNeeded: count)
        let queue = queuePairs[place].receiveCompletionQueue
        completionQueues[Int(queue)].outstanding &+= UInt64(truncatingIfNeeded: count)
        makeHot(queue)
        return count
    }
}
