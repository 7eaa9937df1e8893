import CVRDMAABI
import Endpoint
import LinuxIO
import Service
import SharedMemory
import Verbs

/// The first exchange with a guest driver: who it is, what it speaks, whether it may come in.
struct GuestAdmission {
    /// A guest driver that may come in.
    struct Admitted {
        var name: String
        var address: GID
        var limits: GuestLimits
        var channel: CommandChannel
        var kick: FileDescriptor
        var features: UInt64
    }

    /// Why not, in words for the guest driver.
    struct Refusal: Error {
        var error: Errno
        var message: String
    }

    static var features: UInt64 {
        1 << 0 | 1 << 1 | 1 << 2 | 1 << 3  // VRDMA_FEATURE_RC, _ATOMICS, _ZERO_BASED, _ARM_CQ
    }

    private static let channelLimitBytes = 16 << 20

    /// Judges a hello and the descriptors that came with it.
    static func judge(
        _ hello: vrdma_hello, byteCount: Int, descriptors: [FileDescriptor], credentials: PacketSocket.Credentials,
        authorization: PeerAuthorization
    ) throws(Refusal) -> Admitted {
        guard byteCount >= MemoryLayout<vrdma_hello>.size, hello.magic == VRDMA_ABI_MAGIC else {
            throw Refusal(error: .protocolError, message: "this is not a vRDMA hello")
        }
        guard hello.major == VRDMA_ABI_MAJOR else {
            throw Refusal(
                error: .protocolNotSupported,
                message: "the guest driver speaks version \(hello.major) of the ABI, the endpoint \(VRDMA_ABI_MAJOR)")
        }
        guard byteCount == MemoryLayout<vrdma_hello>.size else {
            throw Refusal(error: .protocolError, message: "the hello has a wrong size, or its descriptors were lost")
        }
        guard hello.role == VRDMA_ROLE_GUEST_DRIVER.rawValue, descriptors.count == 2,
            EventDescriptor.isEventDescriptor(descriptors[1])
        else {
            throw Refusal(error: .protocolError, message: "a guest driver brings a channel memfd and an eventfd")
        }
        let channel: CommandChannel
        do throws(Errno) {
            channel = try CommandChannel(
                try Mapping(descriptors[0], limitBytes: channelLimitBytes), side: .endpoint)
        } catch {
            throw Refusal(error: error, message: "the channel is no sealed memfd of the right shape")
        }
        let name = FixedText.read(hello.guest_name)
        let address = withUnsafeBytes(of: hello.address) {
            GID(bytes: ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
        }
        do throws(AuthorizationError) {
            let admission = try authorization.admit(
                name: name, address: address, userIdentifier: credentials.userIdentifier)
            return Admitted(
                name: name, address: admission.address, limits: admission.limits, channel: channel,
                kick: descriptors[1], features: hello.features & features)
        } catch {
            throw Refusal(error: error.errno, message: "\(error)")
        }
    }

    /// The answer that lets a guest driver in.
    static func welcome(_ admitted: Admitted, guest: UInt32) -> vrdma_welcome {
        var welcome = vrdma_welcome()
        fill(&welcome)
        welcome.guest_id = guest
        welcome.features = admitted.features
        FixedText.write(admitted.name, to: &welcome.guest_name)
        withUnsafeMutableBytes(of: &welcome.address) { $0.copyBytes(from: admitted.address.bytes) }
        return welcome
    }

    /// The answer that keeps it out.
    static func refusal(_ refusal: Refusal) -> vrdma_welcome {
        var welcome = vrdma_welcome()
        fill(&welcome)
        welcome.status = UInt32(refusal.error.rawValue)
        FixedText.write(refusal.message, to: &welcome.message)
        return welcome
    }

    private static func fill(_ welcome: inout vrdma_welcome) {
        welcome.magic = VRDMA_ABI_MAGIC
        welcome.major = UInt16(VRDMA_ABI_MAJOR)
        welcome.minor = UInt16(VRDMA_ABI_MINOR)
    }
}
