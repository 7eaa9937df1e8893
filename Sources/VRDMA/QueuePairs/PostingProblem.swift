/// Why a request was not posted. No error yet, because errors are not made under the queue's lock.
enum PostingProblem: Equatable {
    case none
    case queueIsFull
    case tooManyElements(Int)
    case tooManyInlineBytes(Int)
    case notInline
    case outsideOfRegion
}

/// A queue of a queue pair, in errors.
enum PostingQueueKind: String {
    case send
    case receive
}

extension QueuePair {
    /// The state takes no requests.
    @inline(never)
    func stateProblem(_ kind: PostingQueueKind) -> VerbsError {
        let remedy =
            kind == .send
            ? "send requests are taken from RTS on: connect it first"
            : "receive requests are taken from INIT on: initialize or connect it first"
        return VerbsError(.invalidArgument, operation(kind), "it is in state \(state.name); \(remedy)")
    }

    @inline(never)
    func explain(_ problem: PostingProblem, _ kind: PostingQueueKind, postedCount: Int) -> VerbsError {
        func error(_ code: Errno, _ reason: String) -> VerbsError {
            VerbsError(code, operation(kind), reason, postedCount: postedCount)
        }
        let isSend = kind == .send
        switch problem {
        case .queueIsFull:
            let capacity = isSend ? capabilities.maxSendRequests : capabilities.maxReceiveRequests
            return error(
                .outOfMemory,
                "all \(capacity) entries of the \(kind) queue are taken; poll completions, which make room, or create "
                    + "the queue pair with \(isSend ? "maxSendRequests" : "maxReceiveRequests") larger")
        case .tooManyElements(let count):
            let limit = isSend ? capabilities.maxSendElements : capabilities.maxReceiveElements
            return error(
                .invalidArgument,
                "the request has \(count) elements, the queue pair room for \(limit); create it with "
                    + "\(isSend ? "maxSendElements" : "maxReceiveElements") larger")
        case .tooManyInlineBytes(let count):
            return error(
                .invalidArgument,
                "the request has \(count) bytes, the queue pair room for \(capabilities.maxInlineBytes) inline; create "
                    + "it with maxInlineBytes larger, or post without inline data")
        case .notInline:
            return error(.invalidArgument, "only SEND and WRITE can be inline")
        case .outsideOfRegion:
            return error(.invalidArgument, "an element does not lie in its memory region")
        case .none:
            return error(.invalidArgument, "nothing is wrong")
        }
    }

    private func operation(_ kind: PostingQueueKind) -> String { "post to the \(kind) queue of queue pair \(number)" }
}
