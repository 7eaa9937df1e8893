import CVRDMAABI
import SharedMemory
import Verbs

/// The guest driver's half of the first exchange with an application.
package enum ApplicationHandshake {
    /// What the guest driver's state means for an application that says hello.
    package enum Availability: Hashable, Sendable {
        /// There is a device.
        case available(DeviceIdentity)
        /// The endpoint at this path is not connected.
        case endpointMissing(path: String)
        /// As many applications as the configuration permits are connected.
        case full(limit: Int)
    }

    /// Answers a hello.
    ///
    /// - Parameter packet: the bytes of the application's first packet.
    /// - Returns: the welcome; with a status other than 0 the connection is to be closed behind it.
    package static func welcome(toHello packet: [UInt8], _ availability: Availability) -> vrdma_welcome {
        let size = MemoryLayout<vrdma_hello>.size
        let hello = packet.withUnsafeBytes { bytes in
            var hello = vrdma_hello()
            withUnsafeMutableBytes(of: &hello) {
                $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.prefix(size)))
            }
            return hello
        }
        let version = ProtocolVersion(major: hello.major, minor: hello.minor)
        // Magic and version stand at the same place in every version, whatever size its hello has.
        guard packet.count >= 8, hello.magic == VRDMA_ABI_MAGIC else {
            return refusal(
                .protocolNotSupported, "not a vRDMA hello; this guest driver speaks \(ProtocolVersion.current)")
        }
        guard version.major == ProtocolVersion.current.major else {
            return refusal(
                .protocolNotSupported,
                "the application's library speaks version \(version) of the protocol, this guest driver "
                    + "\(ProtocolVersion.current); install matching versions")
        }
        guard packet.count == size else {
            return refusal(.invalidArgument, "the hello has \(packet.count) bytes, not \(size)")
        }
        guard hello.role == VRDMA_ROLE_APPLICATION.rawValue else {
            return refusal(.invalidArgument, "role \(hello.role) is not an application's; is this the right socket?")
        }
        switch availability {
        case .available(let identity):
            return welcome(identity, features: hello.features)
        case .endpointMissing(let path):
            return refusal(.noSuchDevice, "the guest driver has no connection to the endpoint at \(path)")
        case .full(let limit):
            return refusal(
                .tooManyUsers, "\(limit) applications are connected; raise maximum-applications of the guest driver")
        }
    }

    private static func welcome(_ identity: DeviceIdentity, features: UInt64) -> vrdma_welcome {
        var welcome = empty
        welcome.guest_id = identity.guestIdentifier
        welcome.features = features & identity.features
        FixedText.write(identity.name, to: &welcome.guest_name)
        withUnsafeMutableBytes(of: &welcome.address) { $0.copyBytes(from: identity.address.bytes) }
        return welcome
    }

    private static func refusal(_ error: Errno, _ message: String) -> vrdma_welcome {
        var welcome = empty
        welcome.status = UInt32(bitPattern: error.rawValue)
        FixedText.write(message, to: &welcome.message)
        return welcome
    }

    private static var empty: vrdma_welcome {
        var welcome = vrdma_welcome()
        welcome.magic = VRDMA_ABI_MAGIC
        welcome.major = ProtocolVersion.current.major
        welcome.minor = ProtocolVersion.current.minor
        return welcome
    }
}
