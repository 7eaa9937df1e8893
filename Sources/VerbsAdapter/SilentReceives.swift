import CRDMACore
import LinuxIO
import Tables

/// Receives of a queue pair that failed without a word.
///
/// The kernel's software RoCE flushes the receives that a queue pair has when it fails, and none that come later: posting
/// them does not even enter the kernel. A guest's receive that was posted before its peer made the queue pair fail, but
/// handed on after that, would never complete, and nothing tells of the failure. So the state is looked at once when
/// receives were posted and nothing completed for a while.
extension VerbsAdapter {
    /// Time between two looks; a queue pair is asked after one to two of them.
    private static let lookIntervalNanoseconds: UInt64 = 20_000_000
    /// Questions in one look; the others wait for the next one.
    private static let questionsPerLook = 64

    /// Receives were posted.
    @inline(__always)
    func watchReceives(_ place: Int) {
        guard keepsReceivesSilently, !queuePairs[place].isWatched else { return }
        queuePairs[place].isWatched = true
        queuePairs[place].isSilent = false
        watched.append(UInt32(truncatingIfNeeded: place))
        if watchDeadline == nil { watchDeadline = MonotonicClock.nowNanoseconds &+ Self.lookIntervalNanoseconds }
    }

    /// To be called when `watchDeadline` has come.
    func lookForSilence(_ now: UInt64) {
        var questions = 0
        var position = 0
        while position < watched.count, questions < Self.questionsPerLook {
            let place = Int(watched[position])
            guard queuePairs[place].real != nil, queuePairs[place].receiveOutstanding > 0 else {
                unwatch(position)
                continue
            }
            let completed = queuePairs[place].receiveTail &- queuePairs[place].receiveOutstanding
            guard queuePairs[place].isSilent, queuePairs[place].completedAtLook == completed,
                queuePairs[place].changes == 0
            else {
                queuePairs[place].isSilent = true
                queuePairs[place].completedAtLook = completed
                position &+= 1
                continue
            }
            questions &+= 1
            unwatch(position)
            flushIfFailed(place)
        }
        watchDeadline = watched.isEmpty ? nil : now &+ Self.lookIntervalNanoseconds
    }

    private func unwatch(_ position: Int) {
        queuePairs[Int(watched[position])].isWatched = false
        watched.removeSwapping(at: position)
    }

    /// The change to the state in which it is already makes the device flush.
    private func flushIfFailed(_ place: Int) {
        guard let real = queuePairs[place].real else { return }
        var attributes = ibv_qp_attr()
        var initial = ibv_qp_init_attr()
        let state = Int32(truncatingIfNeeded: IBV_QP_STATE.rawValue)
        guard ibv_query_qp(real, &attributes, state, &initial) == 0, attributes.qp_state == IBV_QPS_ERR else { return }
        var change = ibv_qp_attr()
        change.qp_state = IBV_QPS_ERR
        ibv_modify_qp(real, &change, state)
    }

    /// Whether the device is the kernel's software RoCE, by the identifiers that it has (`RXE_VENDOR_ID`).
    private var keepsReceivesSilently: Bool {
        @inline(__always) get { attributes.vendorIdentifier == 0xff_ffff && attributes.vendorPartIdentifier == 0 }
    }
}
