import OutOfBand
import VRDMA

/// Sends messages that are answered, then a stream of blocks; checks all bytes and prints how fast that was.
func measure(at address: String) async throws {
    let device = try Device.open()
    let connection = try Connection(device)
    var other = try OutOfBandConnection.connect(to: address)
    try connection.connect(&other)

    let latency = try await pingPong(connection)
    for slot in 0..<Agreement.slots {
        connection.outgoing.fill(Connection.bytes(of: slot, Agreement.blockBytes), seed: UInt64(slot))
    }
    let bandwidth = try await stream(connection)
    guard try other.receive() == "verified" else { throw OutOfBandConnection.Failure("the server is not content") }
    print("client: guest \(device.guestName) at \(device.address), all bytes verified")
    print("SEND \(Agreement.messageBytes) B, tasks: \(decimal(latency)) us half round trip")
    print("SEND \(Agreement.blockBytes / 1024) KiB, \(Agreement.slots) under way: \(decimal(bandwidth)) GB/s")
}

/// Microseconds of half a round trip, the median.
private func pingPong(_ connection: Connection) async throws -> Double {
    var times: [UInt64] = []
    for round in 0..<UInt64(Agreement.rounds) {
        connection.outgoing.fill(Connection.bytes(of: 0, Agreement.messageBytes), seed: round)
        let watch = Stopwatch()
        try connection.send(slot: 0, byteCount: Agreement.messageBytes)
        let (slot, byteCount) = try await connection.message()
        times.append(watch.nanoseconds)
        guard connection.incoming.matches(Connection.bytes(of: slot, byteCount), seed: ~round) else {
            throw OutOfBandConnection.Failure("answer \(round) is not what was sent")
        }
        try connection.receive(into: slot)
    }
    return Double(median(times)) / 2_000
}

/// GB/s.
private func stream(_ connection: Connection) async throws -> Double {
    let watch = Stopwatch()
    var sent = 0
    var completed = 0
    while completed < Agreement.blocks {
        while sent < Agreement.blocks, sent - completed < Agreement.slots {
            try connection.send(slot: sent % Agreement.slots, byteCount: Agreement.blockBytes)
            sent += 1
        }
        let completion = try await connection.completion()
        if !completion.isReceive { completed += 1 }
    }
    return Double(Agreement.blocks * Agreement.blockBytes) / Double(watch.nanoseconds)
}
