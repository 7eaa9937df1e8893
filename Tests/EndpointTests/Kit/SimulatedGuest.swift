import CVRDMAABI
import Endpoint
import LinuxIO
import SharedMemory
import Verbs

/// A guest: its driver's half of the command channel, without the channel.
final class SimulatedGuest {
    let endpoint: SimulatedEndpoint
    let identifier: UInt32
    let name: String
    let address: GID

    init(endpoint: SimulatedEndpoint, identifier: UInt32, name: String, address: GID) {
        self.endpoint = endpoint
        self.identifier = identifier
        self.name = name
        self.address = address
    }

    /// Sends any message and returns the reply, whatever it is.
    func execute(_ message: vrdma_message, descriptors: [FileDescriptor] = []) -> vrdma_message {
        begin(message, descriptors: descriptors) ?? endpoint.awaitReply(to: message, of: identifier)
    }

    /// Sends any message; nil when its reply comes later.
    func begin(_ message: vrdma_message, descriptors: [FileDescriptor] = []) -> vrdma_message? {
        defer { endpoint.deliver() }
        return endpoint.device.perform(message, guest: identifier, descriptors: descriptors)
    }

    /// Sends a command and throws what the reply says.
    @discardableResult
    func command(
        _ opcode: vrdma_opcode, context: UInt32, descriptors: [FileDescriptor] = []
    ) throws(Errno) -> vrdma_message {
        try checked(vrdma_message(opcode: opcode.rawValue, sequence: 7, context: context), descriptors)
    }

    /// Sends a command with a payload and throws what the reply says.
    @discardableResult
    func command<Payload: BitwiseCopyable>(
        _ opcode: vrdma_opcode, context: UInt32, _ payload: Payload, descriptors: [FileDescriptor] = []
    ) throws(Errno) -> vrdma_message {
        var message = vrdma_message(opcode: opcode.rawValue, sequence: 7, context: context)
        message.setPayload(payload)
        return try checked(message, descriptors)
    }

    /// An application opens the device, with `memoryBytes` of shared memory behind its doorbells.
    func openContext(memoryBytes: Int = 4 << 20) throws -> SimulatedContext {
        try SimulatedContext(guest: self, memoryBytes: memoryBytes)
    }

    func remove() {
        endpoint.device.removeGuest(identifier)
        endpoint.deliver()
    }

    private func checked(_ message: vrdma_message, _ descriptors: [FileDescriptor]) throws(Errno) -> vrdma_message {
        let reply = execute(message, descriptors: descriptors)
        guard reply.status == 0 else { throw Errno(rawValue: Int32(reply.status)) }
        return reply
    }
}
