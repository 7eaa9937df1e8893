import CIBVerbsObjects
import Glibc

/// The drop-in as a program gets it: loaded by its file name, called through its C symbols.
struct DropInLibrary: @unchecked Sendable {
    typealias Context = UnsafeMutablePointer<ibv_context>
    typealias Domain = UnsafeMutablePointer<ibv_pd>
    typealias Channel = UnsafeMutablePointer<ibv_comp_channel>
    typealias Queue = UnsafeMutablePointer<ibv_cq>
    typealias QueuePair = UnsafeMutablePointer<ibv_qp>
    typealias Region = UnsafeMutablePointer<ibv_mr>
    typealias DeviceList = UnsafeMutablePointer<UnsafeMutablePointer<ibv_device>?>

    struct Missing: Error, CustomStringConvertible {
        var description: String
    }

    /// The library beside the test program; the build makes both.
    static let shared = Result { try DropInLibrary() }

    private let handle: UnsafeMutableRawPointer

    let deviceList: @convention(c) (UnsafeMutablePointer<CInt>?) -> DeviceList?
    let freeDeviceList: @convention(c) (DeviceList?) -> Void
    let deviceName: @convention(c) (UnsafeMutablePointer<ibv_device>?) -> UnsafePointer<CChar>?
    let deviceGUID: @convention(c) (UnsafeMutablePointer<ibv_device>?) -> UInt64
    let open: @convention(c) (UnsafeMutablePointer<ibv_device>?) -> Context?
    let close: @convention(c) (Context?) -> CInt
    let queryDevice: @convention(c) (Context?, UnsafeMutablePointer<ibv_device_attr>?) -> CInt
    let queryGID: @convention(c) (Context?, UInt8, CInt, UnsafeMutablePointer<ibv_gid>?) -> CInt
    let queryPKey: @convention(c) (Context?, UInt8, CInt, UnsafeMutablePointer<UInt16>?) -> CInt
    let gidTable: @convention(c) (Context?, UnsafeMutablePointer<ibv_gid_entry>?, Int, UInt32, Int) -> Int
    let allocateDomain: @convention(c) (Context?) -> Domain?
    let deallocateDomain: @convention(c) (Domain?) -> CInt
    let register: @convention(c) (Domain?, UnsafeMutableRawPointer?, Int, CInt) -> Region?
    let deregister: @convention(c) (Region?) -> CInt
    let createChannel: @convention(c) (Context?) -> Channel?
    let destroyChannel: @convention(c) (Channel?) -> CInt
    let createQueue: @convention(c) (Context?, CInt, UnsafeMutableRawPointer?, Channel?, CInt) -> Queue?
    let destroyQueue: @convention(c) (Queue?) -> CInt
    let nextEvent:
        @convention(c) (
            Channel?, UnsafeMutablePointer<Queue?>?, UnsafeMutablePointer<UnsafeMutableRawPointer?>?
        ) -> CInt
    let acknowledge: @convention(c) (Queue?, CUnsignedInt) -> Void
    let createQueuePair: @convention(c) (Domain?, UnsafeMutablePointer<ibv_qp_init_attr>?) -> QueuePair?
    let destroyQueuePair: @convention(c) (QueuePair?) -> CInt
    let modify: @convention(c) (QueuePair?, UnsafeMutablePointer<ibv_qp_attr>?, CInt) -> CInt
    let query:
        @convention(c) (
            QueuePair?, UnsafeMutablePointer<ibv_qp_attr>?, CInt, UnsafeMutablePointer<ibv_qp_init_attr>?
        ) -> CInt
    let nextAsyncEvent: @convention(c) (Context?, UnsafeMutablePointer<ibv_async_event>?) -> CInt
    let acknowledgeAsync: @convention(c) (UnsafeMutablePointer<ibv_async_event>?) -> Void

    private init() throws {
        let path = try Self.path()
        guard let handle = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
            throw Missing(description: dlerror().map { String(cString: $0) } ?? path)
        }
        self.handle = handle
        deviceList = try Self.symbol(handle, "ibv_get_device_list")
        freeDeviceList = try Self.symbol(handle, "ibv_free_device_list")
        deviceName = try Self.symbol(handle, "ibv_get_device_name")
        deviceGUID = try Self.symbol(handle, "ibv_get_device_guid")
        open = try Self.symbol(handle, "ibv_open_device")
        close = try Self.symbol(handle, "ibv_close_device")
        queryDevice = try Self.symbol(handle, "ibv_query_device")
        queryGID = try Self.symbol(handle, "ibv_query_gid")
        queryPKey = try Self.symbol(handle, "ibv_query_pkey")
        gidTable = try Self.symbol(handle, "_ibv_query_gid_table")
        allocateDomain = try Self.symbol(handle, "ibv_alloc_pd")
        deallocateDomain = try Self.symbol(handle, "ibv_dealloc_pd")
        register = try Self.symbol(handle, "ibv_reg_mr")
        deregister = try Self.symbol(handle, "ibv_dereg_mr")
        createChannel = try Self.symbol(handle, "ibv_create_comp_channel")
        destroyChannel = try Self.symbol(handle, "ibv_destroy_comp_channel")
        createQueue = try Self.symbol(handle, "ibv_create_cq")
        destroyQueue = try Self.symbol(handle, "ibv_destroy_cq")
        nextEvent = try Self.symbol(handle, "ibv_get_cq_event")
        acknowledge = try Self.symbol(handle, "ibv_ack_cq_events")
        createQueuePair = try Self.symbol(handle, "ibv_create_qp")
        destroyQueuePair = try Self.symbol(handle, "ibv_destroy_qp")
        modify = try Self.symbol(handle, "ibv_modify_qp")
        query = try Self.symbol(handle, "ibv_query_qp")
        nextAsyncEvent = try Self.symbol(handle, "ibv_get_async_event")
        acknowledgeAsync = try Self.symbol(handle, "ibv_ack_async_event")
    }

    /// A function of the library.
    func function<Function>(_ name: String, as type: Function.Type = Function.self) throws -> Function {
        try Self.symbol(handle, name)
    }

    private static func symbol<Function>(_ handle: UnsafeMutableRawPointer, _ name: String) throws -> Function {
        guard let address = dlsym(handle, name) else { throw Missing(description: "no symbol \(name)") }
        return unsafeBitCast(address, to: Function.self)
    }

    private static func path() throws -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let length = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        guard length > 0 else { throw Missing(description: "/proc/self/exe cannot be read") }
        let program = String(decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let candidates = [String(program.prefix(upTo: program.lastIndex(of: "/") ?? program.startIndex))]
        for directory in candidates + ["\(currentDirectory())/.build/debug"] {
            let path = "\(directory)/libibverbs.so"
            if access(path, R_OK) == 0 { return path }
        }
        throw Missing(description: "no libibverbs.so beside \(program): swift build --product ibverbs")
    }

    private static func currentDirectory() -> String {
        guard let text = getcwd(nil, 0) else { return "." }
        defer { free(text) }
        return String(cString: text)
    }
}
