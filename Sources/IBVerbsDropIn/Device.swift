// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The functions bear the names of the C interface.

import CIBVerbsObjects
import Glibc
import Verbs

/// The devices that this process can use: that of its guest, or none (ibv_get_device_list(3)).
@c @implementation public func ibv_get_device_list(
    _ num_devices: UnsafeMutablePointer<CInt>?
) -> UnsafeMutablePointer<UnsafeMutablePointer<ibv_device>?>! {
    num_devices?.pointee = 0
    guard let memory = calloc(2, MemoryLayout<UnsafeMutablePointer<ibv_device>?>.size) else {
        return failing(.outOfMemory, with: nil)
    }
    let list = memory.bindMemory(to: UnsafeMutablePointer<ibv_device>?.self, capacity: 2)
    if let device = VisibleDevice.find() {
        list[0] = UnsafeMutableRawPointer(device).assumingMemoryBound(to: ibv_device.self)
        num_devices?.pointee = 1
    }
    return list
}

/// Frees a list; the devices stay (ibv_get_device_list(3)).
@c @implementation public func ibv_free_device_list(_ list: UnsafeMutablePointer<UnsafeMutablePointer<ibv_device>?>?) {
    free(list)
}

/// The name of a device (ibv_get_device_name(3)).
@c @implementation public func ibv_get_device_name(
    _ device: UnsafeMutablePointer<ibv_device>?
) -> UnsafePointer<CChar>! {
    guard let device else { return failing(.invalidArgument, with: nil) }
    let offset = MemoryLayout<ibv_device>.offset(of: \.name) ?? 0
    return UnsafeRawPointer(device).advanced(by: offset).assumingMemoryBound(to: CChar.self)
}

/// The number that a kernel gives to a device; this one has none (ibv_get_device_index(3)).
@c @implementation public func ibv_get_device_index(_ device: UnsafeMutablePointer<ibv_device>?) -> CInt { -1 }

/// The node GUID in network byte order (ibv_get_device_guid(3)).
@c @implementation public func ibv_get_device_guid(_ device: UnsafeMutablePointer<ibv_device>?) -> UInt64 {
    guard let device else { return failing(.invalidArgument, with: 0) }
    return UnsafeMutableRawPointer(device).assumingMemoryBound(to: drop_in_device.self).pointee.node_guid
}
