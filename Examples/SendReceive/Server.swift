import OutOfBand
import VRDMA

/// Answers every message, then takes a stream of blocks; checks all bytes.
func serve(at address: String) async throws {
    let device = try Device.open()
    let connection = try Connection(device)
    print("server: guest \(device.guestName) at \(device.address), waiting at \(address)")
    var other = try OutOfBandConnection.accept(at: address)
    try connection.connect(&other)

    for round in 0..<UInt64(Agreement.rounds) {
        let (slot, byteCount) = try await connection.message()
        let received = Connection.bytes(of: slot, byteCount)
        guard byteCount == Agreement.messageBytes, connection.incoming.matches(received, seed: round) else {
            throw OutOfBandConnection.Failure("message \(round) is not what was sent")
        }
        connection.outgoing.fill(Connection.bytes(of: 0, byteCount), seed: ~round)
        try connection.receive(into: slot)
        try connection.send(slot: 0, byteCount: byteCount)
    }

    for _ in 0..<Agreement.blocks {
        let (slot, _) = try await connection.message()
        try connection.receive(into: slot)
    }
    // Block n went into the slot where the block before n - slots had been: the last ones are all there now.
    let first = Agreement.blocks - Agreement.slots
    let expected = (first..<Agreement.blocks).map { UInt64($0 % Agreement.slots) }
    let found = (0..<Agreement.slots).filter { slot in
        expected.contains { connection.incoming.matches(Connection.bytes(of: slot, Agreement.blockBytes), seed: $0) }
    }
    guard found.count == Agreement.slots else {
        throw OutOfBandConnection.Failure("only \(found.count) of the last \(Agreement.slots) blocks are what was sent")
    }
    try other.send("verified")
    print("server: \(Agreement.rounds) messages and \(Agreement.blocks) blocks, all as they were sent")
}
