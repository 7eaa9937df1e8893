internal import CVRDMAABI
internal import Provider

/// Polling (ibv_poll_cq(3)) and arming (ibv_req_notify_cq(3)). Several threads may do so at once.
///
/// A poll that finds nothing may give the processor to others that want it, the endpoint among them. With the device
/// gone, all outstanding requests complete with `flushError`.
extension CompletionQueue {
    /// Takes the oldest completion; nil when there is none.
    public func poll() -> WorkCompletion? {
        var completion = WorkCompletion()
        return withUnsafeMutablePointer(to: &completion) { take(1, $0) } == 1 ? completion : nil
    }

    /// Takes completions, oldest first, and writes them to the beginning of an array, at most as many as it has
    /// elements. Returns how many.
    public func poll(into completions: inout [WorkCompletion]) -> Int {
        completions.withUnsafeMutableBufferPointer { poll(into: $0) }
    }

    /// Takes completions, oldest first, at most as many as fit. Returns how many.
    public func poll(into completions: UnsafeMutableBufferPointer<WorkCompletion>) -> Int {
        guard let start = completions.baseAddress else { return 0 }
        return take(completions.count, start)
    }

    /// Asks for one event with the next completion. Of completions that are there already nothing is told: poll after
    /// arming.
    ///
    /// Only for queues with a `CompletionChannel`; tasks that wait do it by themselves.
    public func arm() {
        queue.arm(solicitedOnly: false)
    }

    /// Asks for one event with the next completion, or with the next one that is solicited or an error. Otherwise as
    /// `arm()`.
    ///
    /// - Throws: what the host's device says to a wish for solicited completions, which some devices have to be told.
    public func arm(solicitedOnly: Bool) throws(VerbsError) {
        guard solicitedOnly else { return arm() }
        try explaining("arm completion queue \(identifier) for solicited completions", of: device) { () throws(Errno) in
            try device.context.armSolicited(queue)
        }
    }

    private func take(_ maximum: Int, _ target: UnsafeMutablePointer<WorkCompletion>) -> Int {
        var finished = FinishedHolds<MemoryRegion>()
        let count = queue.poll(maximum) { position, completion, queuePair in
            let copy = completion.pointee
            target[position] = WorkCompletion(copy)
            HoldList.finish(copy, queuePair, into: &finished)
        }
        finished.release()
        return count
    }
}
