import CIBVerbsObjects
import Glibc
import Testing

/// What the device does not offer says so, each function in its own way.
@Suite struct UnsupportedTests {
    typealias Number = @convention(c) (UnsafeMutableRawPointer?) -> CInt
    typealias Pointer = @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer?

    @Test(arguments: ["ibv_destroy_srq", "ibv_attach_mcast", "ibv_resize_cq", "ibv_cmd_alloc_pd", "execute_ioctl"])
    func numbers(function: String) throws {
        let call = try DropInLibrary.shared.get().function(function, as: Number.self)
        errno = 0
        #expect(call(nil) == EOPNOTSUPP)
        #expect(errno == EOPNOTSUPP)
    }

    @Test(arguments: ["ibv_rereg_mr", "ibv_init_ah_from_wc"])
    func minusOne(function: String) throws {
        let call = try DropInLibrary.shared.get().function(function, as: Number.self)
        errno = 0
        #expect(call(nil) == -1)
        #expect(errno == EOPNOTSUPP)
    }

    @Test(arguments: ["ibv_create_srq", "ibv_create_ah", "ibv_import_device", "ibv_reg_dmabuf_mr"])
    func pointers(function: String) throws {
        let call = try DropInLibrary.shared.get().function(function, as: Pointer.self)
        errno = 0
        #expect(call(nil) == nil)
        #expect(errno == EOPNOTSUPP)
    }

    @Test func nothingIsAPointerToAnObject() throws {
        let library = try DropInLibrary.shared.get()
        #expect(library.open(nil) == nil)
        #expect(library.close(nil) == EINVAL)
        #expect(library.queryDevice(nil, nil) == EINVAL)
        #expect(library.allocateDomain(nil) == nil)
        #expect(library.deallocateDomain(nil) == EINVAL)
        #expect(library.deregister(nil) == EINVAL)
        #expect(library.destroyQueue(nil) == EINVAL)
        #expect(library.destroyQueuePair(nil) == EINVAL)
        #expect(library.nextEvent(nil, nil, nil) == -1)
        #expect(library.nextAsyncEvent(nil, nil) == -1)
    }

    @Test func forkNeedsNothing() throws {
        let library = try DropInLibrary.shared.get()
        #expect(try library.function("ibv_fork_init", as: (@convention(c) () -> CInt).self)() == 0)
        #expect(
            try library.function("ibv_is_fork_initialized", as: (@convention(c) () -> CInt).self)()
                == CInt(IBV_FORK_UNNEEDED.rawValue))
    }
}
