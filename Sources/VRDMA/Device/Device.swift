internal import CVRDMAABI
internal import Glibc
internal import Provider
internal import SharedMemory

/// The virtual RDMA device of a guest, opened (ibv_open_device(3)).
///
/// Everything that is made on a device keeps it open; it closes with the last reference. All calls may come from any
/// thread. When the guest driver or the endpoint ends, the device is *gone*: calls that create or change something
/// throw `EIO`, outstanding requests complete with `flushError`, and `events` tells `deviceFatal`. Then open it again.
public final class Device: Sendable {
    /// The Unix socket of the guest driver.
    public let socketPath: String
    /// The name of the guest.
    public let guestName: String
    /// The guest's own address: an entry of the GID table, and what a peer connects to.
    public let address: GID
    /// What the device offered when it was opened.
    public let attributes: DeviceAttributes

    let context: ProviderContext
    let asyncEvents: AsyncEventSource
    /// By port.
    let knownAddressIndex = Guarded<[UInt8: UInt8]>([:])
    private let sharedChannel = Guarded<CompletionDispatcher?>(nil)

    /// Opens the device of a guest.
    ///
    /// - Parameter socketPath: the guest driver's Unix socket; nil takes `defaultSocketPath`.
    /// - Throws: `ENOENT` or `ECONNREFUSED` when no guest driver listens there, `EACCES` when this user may not
    ///   connect, `ENODEV` when the guest driver has no endpoint, `EPROTONOSUPPORT` for another version, `ENOMEM` at
    ///   the guest's limit of contexts.
    public static func open(socketPath: String? = nil) throws(VerbsError) -> Device {
        let path = socketPath ?? defaultSocketPath
        let context = try explaining(
            "open the device at \(path)", { Self.explanation($0) },
            { () throws(Errno) in try ProviderContext.open(socketPath: path) })
        return Device(path, context)
    }

    private init(_ path: String, _ context: ProviderContext) {
        socketPath = path
        guestName = FixedText.read(context.welcome.guest_name)
        address = GID(context.welcome.address)
        attributes = DeviceAttributes(context.deviceAttributes)
        self.context = context
        asyncEvents = AsyncEventSource(context)
    }

    deinit {
        asyncEvents.stop()
        sharedChannel.withLock { $0?.stop() }
        context.close()
    }

    /// The guest driver or the endpoint is gone for good. Looks at the connection, at the price of a system call.
    public var isGone: Bool { context.isFatal }

    /// The channel of all completion queues whose completions are awaited by tasks; made with the first of them.
    func dispatcher() throws(Errno) -> CompletionDispatcher {
        try sharedChannel.withLock { (existing) throws(Errno) in
            if let existing { return existing }
            let made = CompletionDispatcher(try context.createCompletionChannel(), context)
            existing = made
            return made
        }
    }

    private static func explanation(_ error: Errno) -> String? {
        switch error {
        case .noSuchFile:
            "there is no guest driver; start vrdma-guestd, run the program under `vrdma run`, or set VRDMA_GUEST_SOCKET"
        case .connectionRefused:
            "the guest driver does not run any more; start vrdma-guestd again"
        case .accessDenied, .notPermitted:
            "this user may not use the guest; see owner, group and mode in the guest driver's configuration"
        case .noSuchDevice:
            "the guest driver has no endpoint now; start vrdma-endpointd"
        case .protocolNotSupported:
            "the guest driver speaks another version than this program (vrdma \(VRDMAVersion.text))"
        default: nil
        }
    }
}

extension GID {
    /// From the 16 bytes of a field of the ABI.
    init(
        _ field: (
            UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8,
            UInt8
        )
    ) {
        self = withUnsafeBytes(of: field) {
            GID(
                bytes: (
                    $0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
                ))
        }
    }
}
