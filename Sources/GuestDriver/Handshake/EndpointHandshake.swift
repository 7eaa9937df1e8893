import CVRDMAABI
import SharedMemory
import Verbs

/// The guest driver's half of the first exchange with the endpoint.
package enum EndpointHandshake {
    /// The hello; a nil address asks for the one of the endpoint's configuration.
    package static func hello(name: String, address: GID?) -> vrdma_hello {
        var hello = vrdma_hello()
        hello.magic = VRDMA_ABI_MAGIC
        hello.major = ProtocolVersion.current.major
        hello.minor = ProtocolVersion.current.minor
        hello.role = VRDMA_ROLE_GUEST_DRIVER.rawValue
        hello.features = ProtocolFeatures.all
        FixedText.write(name, to: &hello.guest_name)
        if let address {
            withUnsafeMutableBytes(of: &hello.address) { $0.copyBytes(from: address.bytes) }
        }
        return hello
    }

    /// Reads the endpoint's answer.
    ///
    /// - Parameter packet: the bytes that came; none when the endpoint closed the connection.
    /// - Throws: why this guest driver cannot work with that endpoint, in words for its user.
    package static func identity(fromWelcome packet: [UInt8]) throws(EndpointRefusal) -> DeviceIdentity {
        guard !packet.isEmpty else {
            throw EndpointRefusal(
                error: .connectionReset, message: "it closed the connection without a word; see its log")
        }
        let size = MemoryLayout<vrdma_welcome>.size
        // Magic and version stand at the same place in every version.
        guard packet.count >= 8 else { throw .notWelcome }
        let welcome = packet.withUnsafeBytes { bytes in
            var welcome = vrdma_welcome()
            withUnsafeMutableBytes(of: &welcome) {
                $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.prefix(size)))
            }
            return welcome
        }
        guard welcome.magic == VRDMA_ABI_MAGIC else { throw .notWelcome }
        let version = ProtocolVersion(major: welcome.major, minor: welcome.minor)
        guard version.major == ProtocolVersion.current.major else {
            throw EndpointRefusal(
                error: .protocolNotSupported,
                message: "it speaks version \(version) of the protocol, this guest driver \(ProtocolVersion.current); "
                    + "install matching versions")
        }
        guard packet.count == size else { throw .notWelcome }
        guard welcome.status == 0 else {
            let text = FixedText.read(welcome.message)
            let error = Errno(rawValue: Int32(truncatingIfNeeded: welcome.status))
            throw EndpointRefusal(error: error, message: text.isEmpty ? error.description : text)
        }
        let words = withUnsafeBytes(of: welcome.address) {
            ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
        return DeviceIdentity(
            guestIdentifier: welcome.guest_id, name: FixedText.read(welcome.guest_name), address: GID(bytes: words),
            features: welcome.features & ProtocolFeatures.all)
    }
}

/// Why an endpoint and this guest driver do not come together.
package struct EndpointRefusal: Error, Hashable, Sendable {
    /// The error number of the welcome, or of the way in which there was none.
    package var error: Errno
    /// The reason, for a person.
    package var message: String

    /// Creates a refusal.
    package init(error: Errno, message: String) {
        self.error = error
        self.message = message
    }

    static let notWelcome = EndpointRefusal(
        error: .protocolError, message: "what listens there is not a vRDMA endpoint")

    /// What its user can do.
    package var remedy: String {
        switch error {
        case .addressInUse: "change 'address' of this guest, or stop the guest that has it ('vrdma status' names it)"
        case .alreadyExists: "change 'name' of this guest, or stop the other driver of that name"
        case .outOfMemory: "raise 'maximum-guests' of the endpoint, or stop a guest"
        case .timedOut: "see in the endpoint's log why it does not start (journalctl -u vrdma-endpointd)"
        case .connectionReset, .busy, .wouldBlock: "see the endpoint's log"
        case .protocolNotSupported: "install guest driver and endpoint of one version"
        default: "see vrdma-endpoint.conf(5), and the endpoint's log"
        }
    }

    /// Whether waiting can help: the guest's former driver may not be gone for the endpoint yet.
    package var isTemporary: Bool {
        [.addressInUse, .alreadyExists, .busy, .connectionReset, .outOfMemory, .wouldBlock].contains(error)
    }
}
