import CVRDMAABI
import FuzzKit
@testable import LinuxIO
@testable import Service
import SharedMemory
import Verbs

@testable import EndpointRuntime

/// The hello of a guest driver, with right and wrong descriptors: byte 0 chooses them, then comes the hello, then the
/// header of the channel.
@main
enum Hello: FuzzTarget {
    static func run(_ input: inout FuzzInput) {
        let choice = input.byte()
        let byteCount = choice & 1 == 0 ? MemoryLayout<vrdma_hello>.size : Int(input.byte())
        let hello = input.take(as: vrdma_hello.self)
        guard let channel = try? MemoryFile.create(name: "fuzz-channel", sizeBytes: 3 * 4096),
            let mapping = try? Mapping(channel), let kick = try? EventDescriptor.create()
        else { return }
        input.write(to: mapping.base, count: mapping.sizeBytes)
        let descriptors =
            switch choice >> 1 & 3 {
            case 0, 1: [channel, kick]
            case 2: [kick, channel]
            default: [channel]
            }
        do throws(GuestAdmission.Refusal) {
            let admitted = try GuestAdmission.judge(
                hello, byteCount: byteCount, descriptors: descriptors,
                credentials: .init(processIdentifier: 1, userIdentifier: 1, groupIdentifier: 1),
                authorization: choice & 8 == 0 ? open : listed)
            if admitted.address.isZero { fuzzFailure("a guest was admitted without an address") }
            let welcome = GuestAdmission.welcome(admitted, guest: 1)
            if !GuestName.isValid(FixedText.read(welcome.guest_name)) { fuzzFailure("a wrong name was admitted") }
        } catch {
            let welcome = GuestAdmission.refusal(error)
            if welcome.status == 0 { fuzzFailure("a refusal without an error") }
        }
    }

    private static let open = PeerAuthorization(EndpointConfiguration())

    private static let listed: PeerAuthorization = {
        var configuration = EndpointConfiguration()
        configuration.admission = .listed
        for (name, address) in [("a", GID(ipv4: 0x0a00_0001)), ("b", nil)] {
            configuration.guests.append(
                .init(name: name, address: address, user: nil, limits: configuration.limits, line: 1))
        }
        return PeerAuthorization(configuration)
    }()
}
