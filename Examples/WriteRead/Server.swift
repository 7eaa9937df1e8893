import OutOfBand
import VRDMA

/// Answers every write with one, then lets the client work on its memory and looks what became of it.
func serve(at address: String) throws {
    let device = try Device.open()
    let connection = try Connection(device)
    print("server: guest \(device.guestName) at \(device.address), waiting at \(address)")
    var other = try OutOfBandConnection.accept(at: address)
    let memory = try connection.connect(&other)

    var answer = [UInt8](repeating: 0, count: Agreement.messageBytes)
    for round in 0..<Agreement.rounds {
        let stamp = Connection.stamp(round)
        try connection.awaitMessage(round: round)
        let first = connection.shared.load(as: UInt8.self)
        guard first == ~stamp else { throw OutOfBandConnection.Failure("message \(round) is not what was written") }
        answer[0] = stamp
        try connection.write(&answer, round: round, to: memory)
    }

    // From here on nothing happens in this program until the client says so.
    guard try other.receive() == "written" else { throw OutOfBandConnection.Failure("the client is not content") }
    let isAsWritten = connection.shared.withSpan(of: UInt64.self) { words in
        let count = Agreement.blockBytes / 8
        return (0..<Agreement.slots).allSatisfy {
            Pattern.matches(words, $0 * count..<($0 + 1) * count, seed: UInt64($0))
        }
    }
    guard isAsWritten else { throw OutOfBandConnection.Failure("the memory is not as the client wrote it") }
    try other.send("verified")
    // The memory must stay until the client has read it.
    guard try other.receive() == "read" else { throw OutOfBandConnection.Failure("the client is not content") }
    print("server: \(Agreement.rounds) messages, and all \(Agreement.slots) blocks as they were written")
}
