/// A message of the kernel about a device that came or went (udev(7); `kobject_uevent` in the kernel).
///
/// `remove@/devices/virtual/infiniband_verbs/uverbs0`, then `KEY=value` strings, each ended by a zero byte.
package struct DeviceEvent: Hashable, Sendable {
    package enum Action: Hashable, Sendable {
        case added
        case removed
        case other
    }

    package var action: Action
    /// Its class: `infiniband` or `infiniband_verbs`.
    package var subsystem: String
    /// The last part of its path in sysfs: `rxe0` or `uverbs0`.
    package var name: String
    /// The number of the event; later ones have greater numbers. The greatest of all when the message has none.
    package var sequence: UInt64

    /// Nil when the bytes are no such message.
    package init?(_ message: some Collection<UInt8>) {
        let lines = message.split(separator: 0, omittingEmptySubsequences: true)
        guard let header = lines.first, header.contains(UInt8(ascii: "@")) else { return nil }
        var action: Action?
        var subsystem: String?
        var name: String?
        var sequence = UInt64.max
        for line in lines.dropFirst() {
            guard let equals = line.firstIndex(of: UInt8(ascii: "=")) else { continue }
            let value = line[line.index(after: equals)...]
            switch String(decoding: line[..<equals], as: UTF8.self) {
            case "ACTION": action = Self.action(String(decoding: value, as: UTF8.self))
            case "SUBSYSTEM": subsystem = String(decoding: value, as: UTF8.self)
            case "DEVPATH":
                name = value.split(separator: UInt8(ascii: "/")).last.map { String(decoding: $0, as: UTF8.self) }
            case "SEQNUM": sequence = UInt64(String(decoding: value, as: UTF8.self)) ?? .max
            default: break
            }
        }
        guard let action, let subsystem, let name else { return nil }
        self.action = action
        self.subsystem = subsystem
        self.name = name
        self.sequence = sequence
    }

    private static func action(_ text: String) -> Action {
        switch text {
        case "add": .added
        case "remove": .removed
        default: .other
        }
    }

    /// The end of a device, or of the file by which processes use it.
    package func removes(device: String, verbsFile: String) -> Bool {
        action == .removed
            && (subsystem == "infiniband_verbs" && name == verbsFile || subsystem == "infiniband" && name == device)
    }

    /// A device that might be the one that is waited for.
    package var addsDevice: Bool {
        action == .added && (subsystem == "infiniband_verbs" || subsystem == "infiniband")
    }
}
