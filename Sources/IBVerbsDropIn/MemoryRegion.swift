// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The functions bear the names of the C interface.

import CIBVerbsObjects
import Glibc
import Provider
import Verbs

/// Registers memory (ibv_reg_mr(3)).
@c @implementation public func ibv_reg_mr(
    _ pd: UnsafeMutablePointer<ibv_pd>?, _ addr: UnsafeMutableRawPointer?, _ length: Int, _ access: CInt
) -> UnsafeMutablePointer<ibv_mr>! {
    ibv_reg_mr_iova2(pd, addr, length, UInt64(UInt(bitPattern: addr)), CUnsignedInt(bitPattern: access))
}

/// Registers memory that requests name by other addresses (ibv_reg_mr_iova(3)).
@c @implementation public func ibv_reg_mr_iova(
    _ pd: UnsafeMutablePointer<ibv_pd>?, _ addr: UnsafeMutableRawPointer?, _ length: Int, _ iova: UInt64,
    _ access: CInt
) -> UnsafeMutablePointer<ibv_mr>! {
    ibv_reg_mr_iova2(pd, addr, length, iova, CUnsignedInt(bitPattern: access))
}

/// Registers memory; the access flags may hold optional ones, which are left out (ibv_reg_mr(3)).
@c @implementation public func ibv_reg_mr_iova2(
    _ pd: UnsafeMutablePointer<ibv_pd>?, _ addr: UnsafeMutableRawPointer?, _ length: Int, _ iova: UInt64,
    _ access: CUnsignedInt
) -> UnsafeMutablePointer<ibv_mr>! {
    guard let pd, let context = pd.pointee.context else { return failing(.invalidArgument, with: nil) }
    guard let opened = provider(of: context) else { return failing(.inputOutput, with: nil) }
    let required = AccessFlags(rawValue: access).subtracting(.optionalMask)
    // What belongs to a capability that the device does not announce.
    guard required.isDisjoint(with: [.onDemand, .memoryWindowBind]) else { return failing(.notSupported, with: nil) }
    guard required.isConsistent, let lengthBytes = UInt64(exactly: length) else {
        return failing(.invalidArgument, with: nil)
    }
    guard let memory = calloc(1, MemoryLayout<drop_in_mr>.size) else { return failing(.outOfMemory, with: nil) }
    do {
        let region = try opened.registerMemory(
            protectionDomain: pd.pointee.handle, address: UInt(bitPattern: addr), lengthBytes: lengthBytes,
            virtualAddress: required.contains(.zeroBased) ? 0 : iova, access: required.rawValue)
        let made = memory.bindMemory(to: drop_in_mr.self, capacity: 1)
        made.pointee.mr.context = context
        made.pointee.mr.pd = pd
        made.pointee.mr.addr = addr
        made.pointee.mr.length = length
        made.pointee.mr.handle = region.lkey
        made.pointee.mr.lkey = region.lkey
        made.pointee.mr.rkey = region.rkey
        made.pointee.access = required.rawValue
        made.pointee.provider = Unmanaged.passRetained(region).toOpaque()
        return memory.assumingMemoryBound(to: ibv_mr.self)
    } catch {
        free(memory)
        return failing(error, with: nil)
    }
}

/// Ends the registration of memory (ibv_reg_mr(3)).
@c @implementation public func ibv_dereg_mr(_ mr: UnsafeMutablePointer<ibv_mr>?) -> CInt {
    guard let mr, let context = mr.pointee.context else { return failing(.invalidArgument) }
    guard let opened = provider(of: context) else { return failing(.inputOutput) }
    let own = UnsafeMutableRawPointer(mr).assumingMemoryBound(to: drop_in_mr.self)
    guard let opaque = own.pointee.provider else { return failing(.invalidArgument) }
    do {
        try opened.deregisterMemory(Unmanaged<ProviderMemoryRegion>.fromOpaque(opaque).takeUnretainedValue())
        Unmanaged<ProviderMemoryRegion>.fromOpaque(opaque).release()
        free(own)
        return 0
    } catch {
        return failing(error)
    }
}
