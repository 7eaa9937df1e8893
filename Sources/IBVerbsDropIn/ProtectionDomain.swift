// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The functions bear the names of the C interface.

import CIBVerbsObjects
import Glibc
import Provider
import Verbs

/// Allocates a protection domain (ibv_alloc_pd(3)).
@c @implementation public func ibv_alloc_pd(
    _ context: UnsafeMutablePointer<ibv_context>?
) -> UnsafeMutablePointer<ibv_pd>! {
    guard let context else { return failing(.invalidArgument, with: nil) }
    guard let opened = provider(of: context) else { return failing(.inputOutput, with: nil) }
    guard let memory = calloc(1, MemoryLayout<drop_in_pd>.size) else { return failing(.outOfMemory, with: nil) }
    let domain = memory.bindMemory(to: drop_in_pd.self, capacity: 1)
    do {
        domain.pointee.pd.handle = try opened.allocateProtectionDomain()
        domain.pointee.pd.context = context
        return memory.assumingMemoryBound(to: ibv_pd.self)
    } catch {
        free(memory)
        return failing(error, with: nil)
    }
}

/// Frees a protection domain that nothing uses any more (ibv_alloc_pd(3)).
@c @implementation public func ibv_dealloc_pd(_ pd: UnsafeMutablePointer<ibv_pd>?) -> CInt {
    guard let pd, let context = pd.pointee.context else { return failing(.invalidArgument) }
    guard let opened = provider(of: context) else { return failing(.inputOutput) }
    do {
        try opened.deallocateProtectionDomain(pd.pointee.handle)
        free(pd)
        return 0
    } catch {
        return failing(error)
    }
}
