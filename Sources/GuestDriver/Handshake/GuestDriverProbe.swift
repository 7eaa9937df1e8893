import CVRDMAABI
import LinuxIO
import SharedMemory
import Verbs

/// Asks a guest driver who it is, as an application would.
package enum GuestDriverProbe {
    /// What came of it.
    package enum Answer: Hashable, Sendable {
        /// There is a device.
        case device(DeviceIdentity)
        /// A guest driver listens, but lets this process have no device.
        case refused(Errno, message: String)
        /// Nobody listens, or this process may not connect.
        case unreachable(Errno)
    }

    private static let timeoutSeconds = 5

    /// Connects to a guest driver's socket, says hello and goes.
    package static func ask(socketPath: String) -> Answer {
        let socket: FileDescriptor
        do throws(Errno) {
            socket = try PacketSocket.connect(path: socketPath)
        } catch {
            return .unreachable(error)
        }
        StreamSocket.limitWaits(socket, seconds: timeoutSeconds)
        var hello = EndpointHandshake.hello(name: "", address: nil)
        hello.role = VRDMA_ROLE_APPLICATION.rawValue
        do throws(Errno) {
            try withUnsafeBytes(of: hello) { (bytes) throws(Errno) in try PacketSocket.send(socket.rawValue, bytes) }
            let welcome = try withUnsafeTemporaryAllocation(byteCount: 512, alignment: 8) { (buffer) throws(Errno) in
                let received = try PacketSocket.receive(socket.rawValue, into: buffer)
                return Array(buffer.prefix(received?.byteCount ?? 0))
            }
            return read(welcome)
        } catch {
            return .refused(error, message: "it does not answer: \(error)")
        }
    }

    private static func read(_ welcome: [UInt8]) -> Answer {
        do throws(EndpointRefusal) {
            return .device(try EndpointHandshake.identity(fromWelcome: welcome))
        } catch {
            return .refused(error.error, message: error.message)
        }
    }
}
