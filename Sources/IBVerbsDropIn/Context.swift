// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The functions bear the names of the C interface.

import CIBVerbsObjects
import Glibc
import Provider
import Verbs

/// The provider's side of a context that an application opened.
func provider(of context: UnsafeMutablePointer<ibv_context>) -> ProviderContext? {
    guard let opaque = drop_in_context_of(context).pointee.provider else { return nil }
    return Unmanaged<ProviderContext>.fromOpaque(opaque).takeUnretainedValue()
}

/// Opens a device (ibv_open_device(3)).
@c @implementation public func ibv_open_device(
    _ device: UnsafeMutablePointer<ibv_device>?
) -> UnsafeMutablePointer<ibv_context>! {
    guard let device else { return failing(.invalidArgument, with: nil) }
    let own = UnsafeMutableRawPointer(device).assumingMemoryBound(to: drop_in_device.self)
    let socketPath = readText(&own.pointee.socket_path, capacity: Int(DROP_IN_SOCKET_PATH_BYTES))
    guard let memory = calloc(1, MemoryLayout<drop_in_context>.size) else { return failing(.outOfMemory, with: nil) }
    do {
        let opened = try ProviderContext.open(socketPath: socketPath)
        // Programs duplicate and pass on this descriptor, which is the kernel's device in rdma-core.
        let commandDescriptor = Glibc.open("/dev/null", O_RDWR | O_CLOEXEC)
        let made = memory.bindMemory(to: drop_in_context.self, capacity: 1)
        made.pointee.provider = Unmanaged.passRetained(opened).toOpaque()
        made.pointee.verbs.setOperations()
        return UnsafeMutableRawPointer(made).advanced(by: contextOffset).assumingMemoryBound(to: ibv_context.self)
            .initialized(device: device, asyncDescriptor: opened.asyncDescriptor, commandDescriptor: commandDescriptor)
    } catch {
        free(memory)
        return failing(error, with: nil)
    }
}

/// Closes a device; what was made on it goes with it (ibv_open_device(3)).
@c @implementation public func ibv_close_device(_ context: UnsafeMutablePointer<ibv_context>?) -> CInt {
    guard let context else { return failing(.invalidArgument) }
    let own = drop_in_context_of(context)
    if let opaque = own.pointee.provider {
        let opened = Unmanaged<ProviderContext>.fromOpaque(opaque).takeRetainedValue()
        opened.close()
    }
    if context.pointee.cmd_fd >= 0 { close(context.pointee.cmd_fd) }
    pthread_mutex_destroy(&context.pointee.mutex)
    free(own)
    return 0
}

private let contextOffset = MemoryLayout<verbs_context>.offset(of: \.context) ?? 0

extension UnsafeMutablePointer<ibv_context> {
    fileprivate func initialized(
        device: UnsafeMutablePointer<ibv_device>, asyncDescriptor: CInt, commandDescriptor: CInt
    ) -> UnsafeMutablePointer<ibv_context> {
        pointee.device = device
        pointee.cmd_fd = commandDescriptor
        pointee.async_fd = asyncDescriptor
        pointee.num_comp_vectors = 1
        pthread_mutex_init(&pointee.mutex, nil)
        drop_in_mark_extended(self)
        return self
    }
}

extension verbs_context {
    /// The calls that verbs.h makes through the context. Those that stay nil answer EOPNOTSUPP in verbs.h.
    fileprivate mutating func setOperations() {
        sz = MemoryLayout<verbs_context>.size
        query_port = queryPort
        query_device_ex = queryDevice
        query_rt_values = readDeviceClock
        create_cq_ex = createExtendedCompletionQueue
        create_qp_ex = createExtendedQueuePair
        context.ops.poll_cq = pollCompletionQueue
        context.ops.req_notify_cq = requestNotification
        context.ops.post_send = postSend
        context.ops.post_recv = postReceive
    }
}
