import CVRDMAABI

extension vrdma_message {
    /// A message with an empty payload.
    package init(opcode: UInt32, sequence: UInt32 = 0, context: UInt32 = 0) {
        self.init()
        self.opcode = UInt16(truncatingIfNeeded: opcode)
        self.sequence = sequence
        self.context = context
    }

    /// The payload as one of the ABI's structures; nil when the sender wrote less than that.
    package func payload<Payload: BitwiseCopyable>(as type: Payload.Type) -> Payload? {
        let size = MemoryLayout<Payload>.size
        guard size <= Int(payload_bytes), size <= Int(VRDMA_MESSAGE_PAYLOAD_BYTES) else { return nil }
        return withUnsafeBytes(of: payload) { $0.loadUnaligned(as: Payload.self) }
    }

    /// Replaces the payload.
    package mutating func setPayload<Payload: BitwiseCopyable>(_ value: Payload) {
        let size = min(MemoryLayout<Payload>.size, Int(VRDMA_MESSAGE_PAYLOAD_BYTES))
        withUnsafeMutableBytes(of: &payload) { destination in
            withUnsafeBytes(of: value) { destination.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<size])) }
        }
        payload_bytes = UInt16(size)
    }

    /// The reply to this command.
    package func reply(status: UInt32 = 0) -> vrdma_message {
        var reply = vrdma_message(opcode: UInt32(opcode), sequence: sequence, context: context)
        reply.status = status
        return reply
    }
}

/// Text in the fixed fields of the ABI: UTF-8, zero-filled, cut at the end.
package enum FixedText {
    package static func read<Field: BitwiseCopyable>(_ field: Field) -> String {
        withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    package static func write<Field: BitwiseCopyable>(_ text: String, to field: inout Field) {
        withUnsafeMutableBytes(of: &field) { destination in
            for index in destination.indices { destination[index] = 0 }
            for (index, byte) in text.utf8.prefix(destination.count - 1).enumerated() { destination[index] = byte }
        }
    }
}
