import CLinux
import Glibc
import LinuxIO
import Verbs

/// How the adapter learns that its device goes or comes: by the kernel's events (netlink(7), NETLINK_KOBJECT_UEVENT).
///
/// For a device whose driver cannot take it away from its users this is the only announcement: the kernel waits until
/// they have closed it.
final class DevicePresence {
    let socket: FileDescriptor?
    /// Without events the adapter looks by itself. The kernel sends them only to network namespaces of the first user
    /// namespace.
    let isReliable: Bool

    private var message = [UInt8](repeating: 0, count: 4096)
    private static let messagesPerLook = 256

    init() {
        let descriptor = clinux_kernel_event_socket()
        socket = descriptor >= 0 ? FileDescriptor(taking: descriptor) : nil
        isReliable = socket != nil && Self.isFirstUserNamespace
    }

    /// Takes events. Returns false when some were lost.
    func takeEvents(_ visit: (DeviceEvent) -> Void) -> Bool {
        guard let socket else { return true }
        for _ in 0..<Self.messagesPerLook {
            let count = clinux_receive_kernel_event(socket.rawValue, &message, message.count)
            if count < 0 { return Errno.current == .wouldBlock || Errno.current == .interrupted }
            if count > 0, let event = DeviceEvent(message.prefix(count)) { visit(event) }
        }
        return true
    }

    /// The number of the kernel's last event (/sys/kernel/uevent_seqnum); 0 when it cannot be known.
    static var lastSequence: UInt64 {
        let numbers = words(of: "/sys/kernel/uevent_seqnum")
        return numbers.first.flatMap { UInt64($0) } ?? 0
    }

    /// There, user identifiers are as they are (user_namespaces(7)).
    private static var isFirstUserNamespace: Bool {
        words(of: "/proc/self/uid_map") == ["0", "0", "4294967295"]
    }

    /// The words of a short file of the kernel's; none when it cannot be read.
    private static func words(of path: String) -> [String] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return [] }
        defer { close(file) }
        var text = [UInt8](repeating: 0, count: 256)
        let count = max(0, read(file, &text, text.count))
        return text.prefix(count).split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }
            .map { String(decoding: $0, as: UTF8.self) }
    }
}
