import CVRDMAABI
import SharedMemory
import Testing

struct MessageTests {
    @Test func payloads() throws {
        var message = vrdma_message(opcode: VRDMA_OP_CREATE_CQ.rawValue, sequence: 9, context: 4)
        #expect(message.payload_bytes == 0)
        #expect(message.payload(as: UInt8.self) == nil)
        var request = vrdma_create_cq_command()
        (request.entries, request.slot) = (64, 7)
        message.setPayload(request)
        #expect(Int(message.payload_bytes) == MemoryLayout<vrdma_create_cq_command>.size)
        let answer = try #require(message.payload(as: vrdma_create_cq_command.self))
        #expect((answer.entries, answer.slot) == (64, 7))
        // A structure that is longer than what was written is not there.
        #expect(message.payload(as: vrdma_create_qp_command.self) == nil)
        message.payload_bytes -= 1
        #expect(message.payload(as: vrdma_create_cq_command.self) == nil)
    }

    /// What the peer says of the length is not believed beyond the message.
    @Test func lyingLength() {
        struct TooLong: BitwiseCopyable {
            var a: (vrdma_reg_mr_command, vrdma_reg_mr_command)
        }
        var message = vrdma_message()
        message.payload_bytes = .max
        #expect(message.payload(as: TooLong.self) == nil)
        #expect(message.payload(as: vrdma_reg_mr_command.self) != nil)
    }

    @Test func largestPayload() {
        var message = vrdma_message()
        var bytes = vrdma_message().payload
        withUnsafeMutableBytes(of: &bytes) { $0[231] = 9 }
        message.setPayload(bytes)
        #expect(message.payload_bytes == 232)
        #expect(withUnsafeBytes(of: message.payload) { $0[231] } == 9)
        #expect(MemoryLayout<vrdma_message>.size == 256)
    }

    @Test func replies() {
        var command = vrdma_message(opcode: 17, sequence: 99, context: 5)
        command.setPayload(UInt64(1))
        command.descriptor_token = 8
        let reply = command.reply(status: 12)
        #expect((reply.opcode, reply.sequence, reply.context, reply.status) == (17, 99, 5, 12))
        #expect((reply.payload_bytes, reply.descriptor_token) == (0, 0))
    }

    @Test(arguments: ["", "guest", "grüße", String(repeating: "x", count: 63)])
    func text(text: String) {
        var hello = vrdma_hello()
        FixedText.write("something long that was there before", to: &hello.guest_name)
        FixedText.write(text, to: &hello.guest_name)
        #expect(FixedText.read(hello.guest_name) == text)
    }

    @Test func longText() {
        var hello = vrdma_hello()
        FixedText.write(String(repeating: "y", count: 200), to: &hello.guest_name)
        #expect(FixedText.read(hello.guest_name) == String(repeating: "y", count: 63))
        // Without a zero at the end, and no valid UTF-8 either.
        withUnsafeMutableBytes(of: &hello.guest_name) { for index in $0.indices { $0[index] = 0xff } }
        #expect(FixedText.read(hello.guest_name).count == 64)
    }
}
