import CRDMACore
import Glibc
import Verbs

/// A page in a protection domain of its own: no queue pair may use its key.
struct ForbiddenMemory {
    private static let sizeBytes = 4096

    private let page: UnsafeMutableRawPointer
    let domain: UnsafeMutablePointer<ibv_pd>
    private let memory: UnsafeMutablePointer<ibv_mr>

    init(_ context: UnsafeMutablePointer<ibv_context>) throws(Errno) {
        let place = mmap(nil, Self.sizeBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let page = place, page != MAP_FAILED else { throw .current }
        guard let domain = ibv_alloc_pd(context) else {
            let error = Errno.ofDevice
            munmap(page, Self.sizeBytes)
            throw error
        }
        guard let memory = ibv_reg_mr_iova2(domain, page, Self.sizeBytes, 0, IBV_ACCESS_LOCAL_WRITE.rawValue) else {
            let error = Errno.ofDevice
            ibv_dealloc_pd(domain)
            munmap(page, Self.sizeBytes)
            throw error
        }
        self.page = page
        self.domain = domain
        self.memory = memory
    }

    var localKey: UInt32 { memory.pointee.lkey }

    func release() {
        ibv_dereg_mr(memory)
        ibv_dealloc_pd(domain)
        munmap(page, Self.sizeBytes)
    }
}
