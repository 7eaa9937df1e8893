import CRDMACore
import Endpoint
import Verbs

extension VerbsAdapter {
    /// Events are acknowledged so many at a time, which takes a lock.
    private static let eventsPerAcknowledgement: UInt32 = 64

    package func createCompletionQueue(_ queue: UInt32, entryCount: UInt32) throws(Errno) {
        let device = try openDevice()
        let place = Int(queue)
        guard place < completionQueues.count else { throw .outOfMemory }
        guard completionQueues[place].real == nil, let entryCount = Int32(exactly: entryCount) else {
            throw .invalidArgument
        }
        guard
            let real = ibv_create_cq(
                device.context, entryCountOnDevice(entryCount, device), DeviceIndex.pointer(queue), device.channel, 0)
        else { throw noteFailure(.ofDevice) }
        completionQueues[place].forget()
        completionQueues[place].real = real
    }

    package func destroyCompletionQueue(_ queue: UInt32) {
        let place = Int(queue)
        guard place < completionQueues.count, let real = completionQueues[place].real else { return }
        let queue = DeviceRemains.CompletionQueue(
            real: real, unacknowledgedEvents: completionQueues[place].unacknowledgedEvents)
        completionQueues[place].forget()
        destroy(queue)
    }

    package func requestSolicitedEvent(_ queue: UInt32) throws(Errno) {
        _ = try openDevice()
        let place = Int(queue)
        guard place < completionQueues.count, let real = completionQueues[place].real else { throw .invalidArgument }
        // A wish for any completion, made before a sleep, is not weakened by one for solicited ones.
        if !recallEvent(place) { eventsNotRecalled &+= 1 }
        let result = ibv_req_notify_cq(real, 1)
        guard result == 0 else { throw noteFailure(.ofDevice(result)) }
        polling.solicitedInterval = 0
        completionQueues[place].wishesEvent = true
        // What is in the queue already makes no event: it is taken before the wish is answered.
        completionQueues[place].needsDraining = true
        makeHot(queue)
    }

    /// One more than the engine's queue holds, for a completion of the adapter's own (`recallEvent`).
    private func entryCountOnDevice(_ entryCount: Int32, _ device: VerbsDevice) -> Int32 {
        let most = Int32(clamping: device.attributes.completionQueueEntries)
        return max(1, min(max(most, entryCount), entryCount &+ 1))
    }

    /// Has the queue looked at in every poll.
    @inline(__always)
    func makeHot(_ queue: UInt32) {
        let place = Int(queue)
        completionQueues[place].quietPolls = 0
        guard !completionQueues[place].isHot else { return }
        completionQueues[place].isHot = true
        polling.hot.append(queue)
    }

    /// Wishes an event for the next completion. False when the device refuses; then it is looked at for ever.
    func arm(_ place: Int) -> Bool {
        if completionQueues[place].isArmed { return true }
        guard let real = completionQueues[place].real, ibv_req_notify_cq(real, 0) == 0 else { return false }
        completionQueues[place].isArmed = true
        return true
    }

    /// Takes the events of the completion channel.
    func takeCompletionEvents() {
        guard let channel = device?.channel else { return }
        // Each queue has one event at most until it is armed again.
        for _ in 0...completionQueues.count {
            var real: UnsafeMutablePointer<ibv_cq>?
            var context: UnsafeMutableRawPointer?
            guard ibv_get_cq_event(channel, &real, &context) == 0 else { return }
            guard let queue = DeviceIndex.index(context), Int(queue) < completionQueues.count,
                completionQueues[Int(queue)].real == real
            else {
                if let real { ibv_ack_cq_events(real, 1) }
                continue
            }
            let place = Int(queue)
            completionQueues[place].unacknowledgedEvents &+= 1
            if completionQueues[place].unacknowledgedEvents >= Self.eventsPerAcknowledgement {
                acknowledgeEvents(place)
            }
            completionQueues[place].isArmed = false
            if completionQueues[place].wishesEvent { oweEvent(place) }
            makeHot(queue)
        }
    }

    /// The guest gets its event once the completions up to it were taken.
    @inline(__always)
    func oweEvent(_ place: Int) {
        completionQueues[place].wishesEvent = false
        completionQueues[place].owesEvent = true
    }

    private func acknowledgeEvents(_ place: Int) {
        let count = completionQueues[place].unacknowledgedEvents
        guard count > 0, let real = completionQueues[place].real else { return }
        ibv_ack_cq_events(real, count)
        completionQueues[place].unacknowledgedEvents = 0
    }
}
