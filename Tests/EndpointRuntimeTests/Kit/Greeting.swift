import CVRDMAABI
import LinuxIO
import SharedMemory
import Verbs

/// The hello of a guest driver, with the descriptors that belong to it.
struct Greeting {
    var hello = vrdma_hello()
    var descriptors: [FileDescriptor]
    let channel: CommandChannel
    let kick: FileDescriptor

    init(name: String = "guest", address: GID = GID(ipv4: 0x0a00_0001)) throws {
        channel = try CommandChannel.create()
        kick = try EventDescriptor.create()
        descriptors = [try channel.mapping.file.duplicate(), kick]
        hello.magic = VRDMA_ABI_MAGIC
        hello.major = UInt16(VRDMA_ABI_MAJOR)
        hello.minor = UInt16(VRDMA_ABI_MINOR)
        hello.role = VRDMA_ROLE_GUEST_DRIVER.rawValue
        hello.features = .max
        FixedText.write(name, to: &hello.guest_name)
        withUnsafeMutableBytes(of: &hello.address) { $0.copyBytes(from: address.bytes) }
    }
}
