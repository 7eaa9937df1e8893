import CVRDMAABI
import Glibc
import LinuxIO
import SharedMemory
import Synchronization
import Verbs

/// A guest driver, with an endpoint and a device behind it, in a thread of the test: it says what the test wants of the
/// device, and nothing is executed. For what applications see of a device, and of its errors.
package final class ScriptedDevice: Sendable {
    /// What it answers with, and what it was asked. The test may change it at any time.
    package struct Script {
        package var device = ScriptedDevice.plainDevice
        package var port = ScriptedDevice.plainPort
        package var gids = [GID(upper: 0xfe80 << 48, lower: 1), GID(ipv4: 0x0a00_0001)]
        /// Of the reply of CREATE_CQ.
        package var completionQueueFlags: UInt32 = 0
        package var features: UInt64 = 0b1111
        /// The status of commands, by opcode, until it is taken away.
        package var failures: [UInt32: Errno] = [:]
        /// The commands that came, in order.
        package var commands: [vrdma_message] = []

        var asyncSocket: FileDescriptor?
        var nextHandle: UInt32 = 100

        package init() {}

        /// The commands of one opcode.
        package func commands(_ opcode: vrdma_opcode) -> [vrdma_message] {
            commands.filter { UInt32($0.opcode) == opcode.rawValue }
        }
    }

    package let path: String
    private let listener: FileDescriptor
    private let script = Mutex(Script())
    private let isStopped = Atomic(false)
    private let thread = Mutex<BackgroundThread?>(nil)

    package init() throws(Errno) {
        path = "/tmp/vrdma-scripted-\(getpid())-\(UInt64.random(in: 0 ... .max)).sock"
        listener = try PacketSocket.listen(path: path)
        let started = try BackgroundThread(name: "scripted-device") { [self] in serve() }
        thread.withLock { $0 = started }
    }

    /// Reads or changes the script.
    package func change<Result>(_ body: (inout Script) -> Result) -> Result where Result: Sendable {
        script.withLock { (script: inout Script) in body(&script) }
    }

    /// Reports an asynchronous event to the application that opened the device last.
    package func report(_ type: AsyncEventType, element: UInt32, slot: UInt32 = 0) {
        var event = vrdma_async_event(event_type: type.rawValue, element: element, slot: slot, reserved: 0)
        script.withLock { script in
            guard let socket = script.asyncSocket else { return }
            _ = send(socket.rawValue, &event, MemoryLayout<vrdma_async_event>.size, 0)
        }
    }

    /// Ends it. Whoever made it calls this, after the last application is gone.
    package func stop() {
        guard !isStopped.exchange(true, ordering: .acquiringAndReleasing) else { return }
        shutdown(listener.rawValue, Int32(SHUT_RDWR))
        thread.withLock { $0?.join() }
        unlink(path)
    }

    private func serve() {
        while !isStopped.load(ordering: .acquiring) {
            var ready = pollfd(fd: listener.rawValue, events: Int16(POLLIN), revents: 0)
            poll(&ready, 1, 1000)
            guard let accepted = try? PacketSocket.accept(listener) else { continue }
            _ = fcntl(accepted.rawValue, F_SETFL, 0)
            converse(accepted)
        }
    }

    private func converse(_ socket: FileDescriptor) {
        var hello = vrdma_hello()
        guard receive(socket, into: &hello) != nil else { return }
        var welcome = vrdma_welcome()
        welcome.magic = VRDMA_ABI_MAGIC
        welcome.major = UInt16(VRDMA_ABI_MAJOR)
        welcome.guest_id = 1
        welcome.features = change { $0.features } & hello.features
        FixedText.write("scripted", to: &welcome.guest_name)
        withUnsafeMutableBytes(of: &welcome.address) { $0.copyBytes(from: GID(ipv4: 0x0a00_0001).bytes) }
        answer(socket, welcome)
        while true {
            var command = vrdma_message()
            guard let descriptors = receive(socket, into: &command) else { return }
            answer(socket, change { $0.reply(to: command, descriptors) })
        }
    }

    /// The descriptors of the next packet; nil at the end.
    private func receive<Packet: BitwiseCopyable>(
        _ socket: FileDescriptor, into packet: inout Packet
    ) -> [FileDescriptor]? {
        let received = withUnsafeMutableBytes(of: &packet) { try? PacketSocket.receive(socket.rawValue, into: $0) }
        guard let received, received.byteCount == MemoryLayout<Packet>.size else { return nil }
        return received.descriptors
    }

    private func answer<Packet: BitwiseCopyable>(_ socket: FileDescriptor, _ packet: Packet) {
        withUnsafeBytes(of: packet) { try? PacketSocket.send(socket.rawValue, $0) }
    }
}
