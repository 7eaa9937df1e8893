import CVRDMAABI
import FuzzKit
import LinuxIO
import SharedMemory
import Verbs

@testable import GuestDriver

/// An endpoint that answers anything: its welcome, what it writes into the command channel, its packets.
@main
enum EndpointReplies: FuzzTarget {
    private static let maximumSteps = 200
    private static let listener = PacketListener()

    static func run(_ input: inout FuzzInput) {
        let welcome = input.take(Int(input.byte()))
        do throws(EndpointRefusal) {
            _ = try EndpointHandshake.identity(fromWelcome: welcome)
        } catch {
            if error.message.isEmpty { fuzzFailure("a refusal without a reason") }
            _ = error.isTemporary
        }
        guard let listener, let link = try? EndpointLink(path: listener.path, hello: vrdma_hello()),
            let (socket, descriptors) = listener.accept(), let file = descriptors.first,
            let channel = try? Mapping(file)
        else { return }
        var router = CommandRouter()
        do throws(EndpointLink.Failure) {
            for _ in 0..<maximumSteps where !input.isEmpty {
                try step(input.byte(), &input, link, &router, channel, socket)
            }
        } catch {
            if error.reason.isEmpty { fuzzFailure("an end without a reason") }
        }
        _ = router.loseEndpoint()
    }

    private static func step(
        _ choice: UInt8, _ input: inout FuzzInput, _ link: EndpointLink, _ router: inout CommandRouter,
        _ channel: Mapping, _ socket: FileDescriptor
    ) throws(EndpointLink.Failure) {
        let header = channel.base.load(as: vrdma_channel_header.self)
        let completionTail = SharedIndex(channel.base + 192)
        switch choice & 7 {
        case 0:
            // A message of the endpoint, to a command that was sent or to none.
            let index = completionTail.relaxed() & 255
            input.write(to: channel.base + 4096 + 256 * (256 + Int(index)), count: Int(VRDMA_MESSAGE_BYTES))
            completionTail.exchange(completionTail.relaxed() &+ 1)
        case 1: SharedIndex(channel.base + 4 * Int(input.byte() & 127)).exchange(input.word())
        case 2:
            let bytes = input.take(Int(input.byte()))
            bytes.withUnsafeBytes {
                try? PacketSocket.send(
                    socket.rawValue, $0, descriptors: choice & 8 == 0 ? [] : [socket.rawValue], blocking: false)
            }
        case 3: try link.takeWakeUps()
        case 4: _ = try? link.receiveWelcome()
        case 5:
            let application = ApplicationIdentifier(rawValue: UInt64(choice >> 3))
            router.connect(application, processIdentifier: 1)
            let open = vrdma_message(opcode: VRDMA_OP_OPEN_CONTEXT.rawValue)
            if case .forward(let command) = router.receive(
                open, from: application, descriptorCount: 3, nowNanoseconds: 0)
            {
                link.enqueue(command, descriptors: choice & 16 == 0 ? [] : [socket, socket, socket])
            }
            _ = try link.flush()
        case 6:
            // As an endpoint that works.
            SharedIndex(channel.base + 128).exchange(header.command_tail)
            _ = try link.flush()
        default:
            for _ in 0..<64 {
                guard let message = try link.pop() else { break }
                guard case .forward(let command) = router.complete(message, nowNanoseconds: 0) else { continue }
                link.enqueue(command)
            }
            if link.prepareToSleep() { link.stayAwake() }
        }
    }
}
