import Glibc
import Verbs

/// Why the adapter cannot use a device, in words for its administrator.
package enum VerbsAdapterError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The host has no RDMA device at all.
    case noDevices(wanted: String)
    /// The host has others.
    case unknownDevice(String, existing: [String])
    /// Another libibverbs than rdma-core's was loaded.
    case notTheLibraryOfDevices(existing: String)
    /// The device speaks another protocol than InfiniBand's transport.
    case wrongTransport(String, transport: String)
    case noSuchPort(device: String, port: Int, portCount: Int)
    /// Its file is not there, or may not be opened.
    case cannotOpen(device: String, file: String, Errno)
    /// The device refuses something that every use of it needs.
    case refused(device: String, what: String, Errno)
    /// A call failed that has nothing to do with the device.
    case system(String, Errno)

    package var description: String {
        switch self {
        case .noDevices(let wanted):
            "there is no RDMA device '\(wanted)', nor any other, on this host; a software device comes with "
                + "'rdma link add rxe0 type rxe netdev NAME', where NAME is a network interface (kernel module rdma_rxe)"
        case .unknownDevice(let name, let existing):
            "there is no RDMA device '\(name)' on this host, but: \(existing.joined(separator: ", "))"
        case .notTheLibraryOfDevices(let existing):
            "libibverbs.so.1 offers the device '\(existing)', which the kernel does not know: it is not rdma-core's; "
                + "start the endpoint without LD_LIBRARY_PATH and LD_PRELOAD, outside of 'vrdma run'"
        case .wrongTransport(let name, let transport):
            "the RDMA device '\(name)' speaks \(transport); needed is a device for InfiniBand or RoCE"
        case .noSuchPort(let device, let port, let portCount):
            "the RDMA device '\(device)' has no port \(port); its ports are numbered from 1 to \(portCount)"
        case .cannotOpen(let device, let file, let error):
            "cannot open the RDMA device '\(device)': \(error)\(Self.remedy(error, file: file))"
        case .refused(let device, let what, let error):
            "the RDMA device '\(device)' refuses \(what): \(error)\(Self.remedy(error, file: nil))"
        case .system(let call, let error):
            "\(call): \(error)"
        }
    }

    private static func remedy(_ error: Errno, file: String?) -> String {
        switch (error, file) {
        case (.accessDenied, let file?), (.notPermitted, let file?):
            "; this user must be able to read and write \(file)"
        case (.noSuchFile, let file?):
            "; is \(file) there, and the kernel module ib_uverbs loaded?"
        // Without any, it is a matter of permission (RLIMIT_MEMLOCK in getrlimit(2)).
        case (.outOfMemory, _), (.notPermitted, nil):
            "; this may be the limit of locked memory (\(lockedMemoryLimit)): raise LimitMEMLOCK= of the service, or "
                + "RLIMIT_MEMLOCK"
        default: ""
        }
    }

    private static var lockedMemoryLimit: String {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(8), &limit) == 0 else { return "unknown" }
        return limit.rlim_cur == .max ? "unlimited" : "\(limit.rlim_cur) bytes"
    }
}
