import CVRDMAABI
import FuzzKit
import SharedMemory
import Verbs

import Endpoint

/// Work queue entries and every word of the queues' headers, on two queue pairs that are connected with each other. The
/// input is a program: a byte chooses what happens and to which side, its operands follow.
package enum QueueProgram {
    private static let maximumSteps = 300

    package static func run(_ input: inout FuzzInput, in world: FuzzWorld) {
        for _ in 0..<maximumSteps where !input.isEmpty {
            let choice = input.byte()
            let side = Int(choice & 1)
            step(choice >> 1 & 15, &input, world, world.attackers[side], world.attackers[1 - side])
            world.poll()
        }
        for guest in world.attackers { guest.checkUntouched() }
        world.finish()
    }

    private static func step(
        _ choice: UInt8, _ input: inout FuzzInput, _ world: FuzzWorld, _ guest: FuzzGuest, _ peer: FuzzGuest
    ) {
        let (send, receive) = (guest.sendQueue, guest.receiveQueue)
        switch choice {
        case 0: input.write(to: send.entry(input.word()), count: Int(send.strideBytes))
        case 1: input.write(to: receive.entry(input.word()), count: Int(receive.strideBytes))
        case 2: send.tail.exchange(input.word())
        case 3: receive.tail.exchange(input.word())
        case 4: send.tail.exchange(send.tail.relaxed() &+ UInt32(input.byte() & 31))
        case 5: receive.tail.exchange(receive.tail.relaxed() &+ UInt32(input.byte() & 31))
        case 6: writeHeader(FuzzGuest.sendQueueOffset, &input, guest)
        case 7: writeHeader(FuzzGuest.receiveQueueOffset, &input, guest)
        case 8: writeHeader(FuzzGuest.completionQueueOffset, &input, guest)
        case 9: DoorbellTree(guest.mapping)?.ring(input.word() & (2 * VRDMA_DOORBELL_SLOTS - 1))
        case 10: world.nowNanoseconds &+= UInt64(input.word())
        case 11: guest.modify(input.take(as: vrdma_qp_attributes.self))
        case 12: guest.connect(to: peer)
        case 13: postReceive(&input, guest)
        case 14 where world.host != nil: world.changeDevice(input.byte())
        default: postSend(&input, guest, peer)
        }
        if choice != 9 {
            DoorbellTree(guest.mapping)?.ring(0)
            DoorbellTree(guest.mapping)?.ring(1)
        }
    }

    private static func writeHeader(_ offset: Int, _ input: inout FuzzInput, _ guest: FuzzGuest) {
        SharedIndex(guest.mapping.base + offset + 4 * Int(input.byte() & 63)).exchange(input.word())
    }

    /// A request that is right as far as the input does not make it wrong.
    private static func postSend(_ input: inout FuzzInput, _ guest: FuzzGuest, _ peer: FuzzGuest) {
        let queue = guest.sendQueue
        let index = queue.tail.relaxed()
        var entry = vrdma_send_wqe()
        entry.opcode = input.byte()
        entry.flags = input.byte()
        entry.sge_count = UInt16(input.byte() & 7)
        entry.inline_bytes = UInt32(input.byte() & 127)
        entry.remote_address = FuzzGuest.bufferAddress &+ UInt64(input.take(as: UInt16.self))
        entry.rkey = peer.key ^ UInt32(input.byte() >> 7)
        let place = queue.entry(index)
        place.storeBytes(of: entry, as: vrdma_send_wqe.self)
        writeElements(Int(min(entry.sge_count, 4)), place + MemoryLayout<vrdma_send_wqe>.size, &input, guest)
        queue.tail.exchange(index &+ 1)
    }

    private static func postReceive(_ input: inout FuzzInput, _ guest: FuzzGuest) {
        let queue = guest.receiveQueue
        let index = queue.tail.relaxed()
        let count = UInt32(input.byte() & 3)
        let place = queue.entry(index)
        place.storeBytes(
            of: vrdma_receive_wqe(wr_id: 1, sge_count: count, reserved: 0), as: vrdma_receive_wqe.self)
        writeElements(Int(count), place + MemoryLayout<vrdma_receive_wqe>.size, &input, guest)
        queue.tail.exchange(index &+ 1)
    }

    private static func writeElements(
        _ count: Int, _ place: UnsafeMutableRawPointer, _ input: inout FuzzInput, _ guest: FuzzGuest
    ) {
        for position in 0..<count {
            let element = vrdma_sge(
                address: FuzzGuest.bufferAddress &+ UInt64(input.take(as: UInt16.self)),
                length: UInt32(input.take(as: UInt16.self)), lkey: guest.key ^ UInt32(input.byte() >> 7))
            place.storeBytes(
                of: element, toByteOffset: position * MemoryLayout<vrdma_sge>.size, as: vrdma_sge.self)
        }
    }
}
