import CRDMACore
import Endpoint
import Verbs

/// A protection domain on the device.
struct DomainEntry {
    var real: UnsafeMutablePointer<ibv_pd>
    /// Queue pairs, memory and registrations under way.
    var references = 0
    /// It goes with the last of them.
    var isDestroyed = false
}

extension VerbsAdapter {
    package func createProtectionDomain() throws(Errno) -> HostHandle {
        let device = try openDevice()
        guard let real = ibv_alloc_pd(device.context) else { throw noteFailure(.ofDevice) }
        let handle = newHandle()
        domains[handle] = DomainEntry(real: real)
        return HostHandle(rawValue: handle)
    }

    package func destroyProtectionDomain(_ domain: HostHandle) {
        guard domains[domain.rawValue]?.isDestroyed == false else { return }
        domains[domain.rawValue]?.isDestroyed = true
        removeUnused(domain.rawValue)
    }

    /// One of the domain's queue pairs or registrations is gone.
    func release(_ domain: UInt32) {
        domains[domain]?.references -= 1
        removeUnused(domain)
    }

    private func removeUnused(_ domain: UInt32) {
        guard let entry = domains[domain], entry.isDestroyed, entry.references <= 0 else { return }
        ibv_dealloc_pd(entry.real)
        domains.removeValue(forKey: domain)
    }

    /// A handle that names nothing yet.
    func newHandle() -> UInt32 {
        repeat { lastHandle &+= 1 } while lastHandle == 0 || domains[lastHandle] != nil || memories[lastHandle] != nil
        return lastHandle
    }
}
