import OutOfBand
import VRDMA

/// Posts one request again and again, and keeps as many under way as the plan says.
struct Stream {
    let queuePair: QueuePair
    let completions: CompletionQueue
    let depth: Int
    let signalEvery: Int
    let list: Int

    struct Result {
        var messages: Int
        var nanoseconds: UInt64
    }

    /// Streams for a while after a warm-up of a tenth of it. When it returns, nothing is under way any more.
    func run(_ template: WorkRequest, durationNanoseconds: UInt64) throws -> Result {
        var batch = [WorkCompletion](repeating: WorkCompletion(), count: 64)
        var counts = Counts()
        _ = try pass(template, durationNanoseconds / 10, &counts, &batch)
        let result = try pass(template, durationNanoseconds, &counts, &batch)
        try drain(template, &counts, &batch)
        return result
    }

    private struct Counts {
        var posted = 0
        var completed = 0
    }

    private func pass(
        _ template: WorkRequest, _ durationNanoseconds: UInt64, _ counts: inout Counts, _ batch: inout [WorkCompletion]
    ) throws -> Result {
        // Changed in place: a copy would count another reference to the memory.
        var request = template
        var list = [WorkRequest](repeating: template, count: list)
        for index in list.indices { list[index].flags = [] }
        let start = counts.completed
        let watch = Stopwatch()
        while true {
            while counts.posted - counts.completed + self.list <= depth {
                let flags: WorkRequest.Flags = (counts.posted + self.list) % signalEvery == 0 ? .signaled : []
                if self.list == 1 {
                    request.flags = flags
                    try queuePair.post(request)
                } else {
                    list[self.list - 1].flags = flags
                    try queuePair.post(list)
                }
                counts.posted += self.list
            }
            if try take(&counts, &batch), watch.nanoseconds >= durationNanoseconds {
                return Result(messages: counts.completed - start, nanoseconds: watch.nanoseconds)
            }
        }
    }

    /// Takes completions; false when there was none.
    @inline(__always)
    private func take(_ counts: inout Counts, _ batch: inout [WorkCompletion]) throws -> Bool {
        let count = completions.poll(into: &batch)
        for index in 0..<count {
            try TestSide.check(batch[index])
            counts.completed += signalEvery
        }
        return count > 0
    }

    /// Lets everything end. One more request ends those that are not signalled.
    private func drain(
        _ template: WorkRequest, _ counts: inout Counts, _ batch: inout [WorkCompletion]
    ) throws {
        while counts.completed + signalEvery <= counts.posted { _ = try take(&counts, &batch) }
        guard counts.completed < counts.posted else { return }
        var last = template
        last.flags = .signaled
        try queuePair.post(last)
        while try !take(&counts, &batch) {}
    }
}
