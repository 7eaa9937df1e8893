import CIBVerbsObjects
import Glibc
import LinuxIO
import Synchronization
import Testing

extension WithDevice {
    @Suite struct EventTests {
        private func makeNonBlocking(_ descriptor: CInt) {
            _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        }

        /// Makes one completion on `a`, which has no peer: a flushed receive.
        private func flushReceive(_ a: Program) throws {
            var attributes = ibv_qp_attr()
            attributes.qp_state = IBV_QPS_ERR
            #expect(a.library.modify(a.queuePair, &attributes, CInt(IBV_QP_STATE.rawValue)) == 0)
        }

        @Test func descriptorOfAChannelCanBePolled() throws {
            let installation = try Installation()
            let a = try Program("a", installation)
            try a.initialize()
            makeNonBlocking(a.channel.pointee.fd)
            var queue: DropInLibrary.Queue?
            errno = 0
            #expect(a.library.nextEvent(a.channel, &queue, nil) == -1)
            #expect(errno == EAGAIN)
            #expect(ibv_req_notify_cq(a.queue, 0) == 0)
            #expect(a.postReceive([]).result == 0)
            try flushReceive(a)
            var waiting = pollfd(fd: a.channel.pointee.fd, events: Int16(POLLIN), revents: 0)
            #expect(poll(&waiting, 1, 10_000) == 1)
            #expect(a.library.nextEvent(a.channel, &queue, nil) == 0)
            #expect(queue == a.queue)
            a.library.acknowledge(a.queue, 1)
            #expect(try a.completion().status == IBV_WC_WR_FLUSH_ERR)
            a.close()
        }

        @Test func destructionWaitsForAcknowledgement() throws {
            let installation = try Installation()
            let a = try Program("a", installation)
            try a.initialize()
            #expect(ibv_req_notify_cq(a.queue, 0) == 0)
            #expect(a.postReceive([]).result == 0)
            try flushReceive(a)
            var queue: DropInLibrary.Queue?
            #expect(a.library.nextEvent(a.channel, &queue, nil) == 0)
            #expect(a.library.destroyQueuePair(a.queuePair) == 0)
            let address = UInt(bitPattern: a.queue)
            let destroy = a.library.destroyQueue
            let finished = Done()
            let thread = try BackgroundThread(name: "destroyer") {
                _ = destroy(UnsafeMutablePointer(bitPattern: address))
                finished.set()
            }
            usleep(20_000)
            #expect(!finished.isSet)
            a.library.acknowledge(a.queue, 1)
            thread.join()
            #expect(finished.isSet)
            #expect(a.library.destroyChannel(a.channel) == 0)
            #expect(a.library.close(a.context) == 0)
        }

        @Test func theEndOfTheEndpointIsAnEventAndFlushes() throws {
            let installation = try Installation()
            let a = try Program("a", installation)
            try a.initialize()
            #expect(a.postReceive([], identifier: 31).result == 0)
            installation.stopEndpoint()
            var event = ibv_async_event()
            #expect(a.library.nextAsyncEvent(a.context, &event) == 0)
            #expect(event.event_type == IBV_EVENT_DEVICE_FATAL)
            a.library.acknowledgeAsync(&event)
            let flushed = try a.completion()
            #expect(flushed.wr_id == 31)
            #expect(flushed.status == IBV_WC_WR_FLUSH_ERR)
            #expect(a.library.allocateDomain(a.context) == nil)
            #expect(errno == EIO)
            a.close()
        }
    }

    private final class Done: Sendable {
        private let value = Atomic(false)
        var isSet: Bool { value.load(ordering: .acquiring) }
        func set() { value.store(true, ordering: .releasing) }
    }
}
