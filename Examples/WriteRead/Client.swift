import OutOfBand
import VRDMA

/// Writes messages that are answered by writes, then blocks, and reads them back; prints how fast that was.
func measure(at address: String) throws {
    let device = try Device.open()
    let connection = try Connection(device)
    var other = try OutOfBandConnection.connect(to: address)
    let memory = try connection.connect(&other)

    let latency = try pingPong(connection, memory)
    fill(connection.own)
    let writes = try stream(connection) { slot in
        .write(connection.own[slot], to: memory.advanced(by: slot.lowerBound))
    }
    try other.send("written")
    guard try other.receive() == "verified" else { throw OutOfBandConnection.Failure("the server is not content") }
    connection.own.withMutableBytes { bytes in
        for index in bytes.byteOffsets { bytes.storeBytes(of: 0, toByteOffset: index, as: UInt8.self) }
    }
    let reads = try stream(connection) { slot in
        .read(into: connection.own[slot], from: memory.advanced(by: slot.lowerBound))
    }
    try other.send("read")
    guard isFilled(connection.own) else { throw OutOfBandConnection.Failure("what was read is not what was written") }
    print("client: guest \(device.guestName) at \(device.address), all bytes verified")
    print("WRITE \(Agreement.messageBytes) B, polling: \(decimal(latency)) us half round trip")
    print("WRITE \(Agreement.blockBytes / 1024) KiB, \(Agreement.slots) under way: \(decimal(writes)) GB/s")
    print("READ \(Agreement.blockBytes / 1024) KiB, \(Agreement.slots) under way: \(decimal(reads)) GB/s")
}

/// Microseconds of half a round trip, the median.
private func pingPong(_ connection: Connection, _ memory: RemoteMemory) throws -> Double {
    var times: [UInt64] = []
    times.reserveCapacity(Agreement.rounds)
    var message = [UInt8](repeating: 0, count: Agreement.messageBytes)
    var watch = Stopwatch()
    for round in 0..<Agreement.rounds {
        let stamp = Connection.stamp(round)
        message[0] = ~stamp
        try connection.write(&message, round: round, to: memory)
        try connection.awaitMessage(round: round)
        times.append(watch.lap())
        guard connection.shared.load(as: UInt8.self) == stamp else {
            throw OutOfBandConnection.Failure("answer \(round) is not what was written")
        }
    }
    while connection.completions.poll() != nil {}
    return Double(median(times)) / 2_000
}

/// Keeps requests for all slots under way, in turn. Returns GB/s.
private func stream(_ connection: Connection, _ request: (Range<Int>) -> WorkRequest) throws -> Double {
    let watch = Stopwatch()
    var posted = 0
    for completed in 0..<Agreement.blocks {
        while posted < Agreement.blocks, posted - completed < Agreement.slots {
            let start = posted % Agreement.slots * Agreement.blockBytes
            try connection.queuePair.post(request(start..<start + Agreement.blockBytes))
            posted += 1
        }
        _ = try connection.completion()
    }
    return Double(Agreement.blocks * Agreement.blockBytes) / Double(watch.nanoseconds)
}

private func fill(_ buffer: RegisteredBuffer) {
    buffer.withMutableSpan(of: UInt64.self) { words in
        let count = Agreement.blockBytes / 8
        for slot in 0..<Agreement.slots {
            Pattern.fill(&words, slot * count..<(slot + 1) * count, seed: UInt64(slot))
        }
    }
}

private func isFilled(_ buffer: RegisteredBuffer) -> Bool {
    buffer.withSpan(of: UInt64.self) { words in
        let count = Agreement.blockBytes / 8
        return (0..<Agreement.slots).allSatisfy {
            Pattern.matches(words, $0 * count..<($0 + 1) * count, seed: UInt64($0))
        }
    }
}
