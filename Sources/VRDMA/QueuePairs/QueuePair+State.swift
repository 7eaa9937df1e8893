internal import Provider

extension QueuePair {
    /// The state after the last change or `query()`. An error that the device found since shows in `query()` only.
    public var state: QueuePairState { QueuePairState(rawValue: queuePair.pointee.state) ?? .error }

    /// Changes attributes, as a rule with a transition of state (ibv_modify_qp(3)).
    ///
    /// RESET forgets everything that was posted, without completions. ERR completes it with `flushError`.
    ///
    /// - Throws: `EINVAL` when the transition does not exist, lacks an attribute, has one that does not belong there,
    ///   or a value is out of its range; `ENETUNREACH` when nothing leads to the destination address. Where the host's
    ///   device leads there: `EADDRNOTAVAIL` when it does not have the guest's address, `ENETDOWN` when its port is
    ///   down, `ETIMEDOUT` when the destination does not answer, `ENODEV` when it is away, `EIO` when it fails.
    public func modify(_ attributes: QueuePairAttributes) throws(VerbsError) {
        let before = state
        try explaining(
            "modify queue pair \(number) in state \(before.name)", of: domain.device,
            { Self.explanation($0, attributes) },
            { () throws(Errno) in try domain.device.context.modifyQueuePair(queuePair, attributes.command) })
        if attributes.state == .reset { releaseHolds() }
    }

    /// All attributes as they are now (ibv_query_qp(3)).
    public func query() throws(VerbsError) -> QueuePairAttributes {
        try explaining("query queue pair \(number)", of: domain.device) { () throws(Errno) in
            QueuePairAttributes(try domain.device.context.queryQueuePair(queuePair))
        }
    }

    private func releaseHolds() {
        var finished = FinishedHolds<MemoryRegion>()
        queuePair.beginSend()
        holds.pointee.sends.takeAll(into: &finished)
        queuePair.endSend(0)
        queuePair.beginReceive()
        holds.pointee.receives.takeAll(into: &finished)
        queuePair.endReceive(0)
        finished.release()
    }

    private static func explanation(_ error: Errno, _ attributes: QueuePairAttributes) -> String? {
        switch error {
        case .invalidArgument:
            "no transition"
                + (attributes.state.map { " to \($0.name)" } ?? "")
                + " takes just these attributes, or a value is out of its range; ibv_modify_qp(3) has the table"
        case .networkUnreachable:
            "nothing leads to \(attributes.path?.destination.description ?? "the destination address"): it is no guest "
                + "of this endpoint, and the host has no route to it"
        case .timedOut where attributes.path != nil:
            "the way to \(attributes.path?.destination.description ?? "the destination address") was not found in time; "
                + "see whether that host is up, and whether the endpoint runs (vrdma status)"
        default: nil
        }
    }
}
