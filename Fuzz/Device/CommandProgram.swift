import CVRDMAABI
import FuzzKit
import LinuxIO
import SharedMemory
import Verbs

import Endpoint

/// Commands of two guests: 256 bytes each, the lowest bit of the sequence chooses the guest, the token the descriptors.
package enum CommandProgram {
    package static func run(_ input: inout FuzzInput, in world: FuzzWorld) {
        while !input.isEmpty {
            let message = input.take(as: vrdma_message.self)
            let guest = world.attackers[Int(message.sequence & 1)]
            let reply = guest.execute(message, descriptors: descriptors(for: message, guest))
            if reply.sequence != message.sequence || reply.opcode != message.opcode {
                fuzzFailure("a reply to another command")
            }
            if reply.payload_bytes > VRDMA_MESSAGE_PAYLOAD_BYTES { fuzzFailure("a reply with too long a payload") }
            if reply.status != 0, reply.payload_bytes != 0 { fuzzFailure("an error with a payload") }
            if message.status & 0xff == 0xdd { world.changeDevice(UInt8(truncatingIfNeeded: message.status >> 8)) }
            world.poll()
        }
        world.finish()
    }

    private static func descriptors(for message: vrdma_message, _ guest: FuzzGuest) -> [FileDescriptor] {
        guard message.descriptor_token < 4, let pair = try? PacketSocket.pair(),
            let event = try? EventDescriptor.create()
        else { return [] }
        let right: [FileDescriptor]
        switch vrdma_opcode(rawValue: UInt32(message.opcode)) {
        case VRDMA_OP_OPEN_CONTEXT: right = [guest.mapping.file, event, pair.0]
        case VRDMA_OP_ATTACH_REGION: right = [guest.mapping.file]
        case VRDMA_OP_CREATE_COMP_CHANNEL: right = [pair.0]
        default: return []
        }
        switch message.descriptor_token {
        case 0: return right
        case 1: return right.reversed()
        case 2: return [event]
        default: return []
        }
    }
}
