internal import CVRDMAABI
internal import Provider

/// Posting (ibv_post_send(3), ibv_post_recv(3)). Several threads may post at once. Nothing is allocated and no system
/// call is made while the endpoint is awake.
extension QueuePair {
    /// Posts a request to the send queue.
    ///
    /// Its memory stays registered until the completion of this request, or of a later signalled one, is polled.
    ///
    /// - Throws: `EINVAL` in a state that takes no requests, for more elements or inline bytes than the queue pair has
    ///   room for; `ENOMEM` when the send queue is full: poll completions first.
    public func post(_ request: WorkRequest) throws(VerbsError) {
        guard queuePair.pointee.acceptsSendRequests else { throw stateProblem(.send) }
        var problem = PostingProblem.none
        queuePair.beginSend()
        if let entry = queuePair.reserveSend(0) {
            problem = withUnsafePointer(to: request) { write($0, to: entry, position: 0) }
        } else {
            problem = .queueIsFull
        }
        finishSends(problem == .none ? 1 : 0)
        if problem != .none { throw explain(problem, .send, postedCount: 0) }
    }

    /// Posts requests to the send queue, in order, at the price of one doorbell.
    ///
    /// - Throws: as for one request. Those before the first that cannot be posted are posted; `postedCount` tells how
    ///   many.
    public func post(_ requests: Span<WorkRequest>) throws(VerbsError) {
        guard queuePair.pointee.acceptsSendRequests else { throw stateProblem(.send) }
        var problem = PostingProblem.none
        var count: UInt32 = 0
        queuePair.beginSend()
        requests.withUnsafeBufferPointer { requests in
            guard var next = requests.baseAddress else { return }
            let end = next + requests.count
            while next != end, problem == .none {
                if let entry = queuePair.reserveSend(count) {
                    problem = write(next, to: entry, position: count)
                    if problem == .none { count &+= 1 }
                } else {
                    problem = .queueIsFull
                }
                next += 1
            }
        }
        finishSends(count)
        if problem != .none { throw explain(problem, .send, postedCount: Int(count)) }
    }

    /// Posts requests to the send queue, in order, at the price of one doorbell. Throws as for a span.
    public func post(_ requests: [WorkRequest]) throws(VerbsError) {
        try post(requests.span)
    }

    /// Posts a SEND or WRITE of bytes that lie anywhere: they are copied into the send queue, so the memory is free
    /// again at once. Elements of the request do not count.
    ///
    /// - Throws: as for one request; `EINVAL` for more bytes than `capabilities.maxInlineBytes`, or for a READ or an
    ///   atomic operation.
    public func post(_ request: WorkRequest, inlining bytes: RawSpan) throws(VerbsError) {
        guard queuePair.pointee.acceptsSendRequests else { throw stateProblem(.send) }
        var problem = PostingProblem.none
        queuePair.beginSend()
        if let entry = queuePair.reserveSend(0) {
            problem = write(request, inlining: bytes, to: entry)
        } else {
            problem = .queueIsFull
        }
        finishSends(problem == .none ? 1 : 0)
        if problem != .none { throw explain(problem, .send, postedCount: 0) }
    }

    /// Posts a request to the receive queue.
    ///
    /// Its memory stays registered until its completion is polled.
    ///
    /// - Throws: `EINVAL` in the state RESET or for more elements than the queue pair has room for; `ENOMEM` when the
    ///   receive queue is full.
    public func post(_ request: ReceiveRequest) throws(VerbsError) {
        guard queuePair.pointee.acceptsReceiveRequests else { throw stateProblem(.receive) }
        var problem = PostingProblem.none
        queuePair.beginReceive()
        if let entry = queuePair.reserveReceive(0) {
            problem = withUnsafePointer(to: request) { write($0, to: entry, position: 0) }
        } else {
            problem = .queueIsFull
        }
        finishReceives(problem == .none ? 1 : 0)
        if problem != .none { throw explain(problem, .receive, postedCount: 0) }
    }

    /// Posts requests to the receive queue, in order, at the price of one doorbell.
    ///
    /// - Throws: as for one request. Those before the first that cannot be posted are posted; `postedCount` tells how
    ///   many.
    public func post(_ requests: Span<ReceiveRequest>) throws(VerbsError) {
        guard queuePair.pointee.acceptsReceiveRequests else { throw stateProblem(.receive) }
        var problem = PostingProblem.none
        var count: UInt32 = 0
        queuePair.beginReceive()
        requests.withUnsafeBufferPointer { requests in
            guard var next = requests.baseAddress else { return }
            let end = next + requests.count
            while next != end, problem == .none {
                if let entry = queuePair.reserveReceive(count) {
                    problem = write(next, to: entry, position: count)
                    if problem == .none { count &+= 1 }
                } else {
                    problem = .queueIsFull
                }
                next += 1
            }
        }
        finishReceives(count)
        if problem != .none { throw explain(problem, .receive, postedCount: Int(count)) }
    }

    /// Posts requests to the receive queue, in order, at the price of one doorbell. Throws as for a span.
    public func post(_ requests: [ReceiveRequest]) throws(VerbsError) {
        try post(requests.span)
    }

    @inline(__always)
    private func finishSends(_ count: UInt32) {
        holds.pointee.sends.advance(by: count)
        queuePair.endSend(count)
    }

    @inline(__always)
    private func finishReceives(_ count: UInt32) {
        holds.pointee.receives.advance(by: count)
        queuePair.endReceive(count)
    }
}
