import CIBVerbsObjects
import CVRDMAABI
import Glibc
import ScriptedDevice
import Testing
import Verbs

extension WithDevice {
    /// What programs see of a device that is not as vRDMA's own.
    @Suite struct ScriptedDeviceTests {
        private let library: DropInLibrary
        private let scripted: ScriptedDevice

        init() throws {
            library = try DropInLibrary.shared.get()
            scripted = try ScriptedDevice()
        }

        private func open(
            _ prepare: (inout ScriptedDevice.Script) -> Void = { _ in }
        ) throws -> DropInLibrary.Context {
            scripted.change { prepare(&$0) }
            setenv("VRDMA_GUEST_SOCKET", scripted.path, 1)
            defer { unsetenv("VRDMA_GUEST_SOCKET") }
            let list = try #require(library.deviceList(nil))
            defer { library.freeDeviceList(list) }
            return try #require(library.open(list[0]))
        }

        private func close(_ context: DropInLibrary.Context) {
            #expect(library.close(context) == 0)
            scripted.stop()
        }

        private func port(_ context: DropInLibrary.Context) throws -> ibv_port_attr {
            var port = ibv_port_attr()
            let query = try #require(drop_in_context_of(context).pointee.verbs.query_port)
            #expect(query(context, 1, &port, MemoryLayout<ibv_port_attr>.size) == 0)
            return port
        }

        @Test func everythingThatADeviceCanVaryIsShown() throws {
            let context = try open { script in
                script.device.atomic_capability = 0
                script.device.device_cap_flags = 0x1234
                script.device.vendor_id = 0x2c9
                script.device.vendor_part_id = 4119
                script.device.hardware_version = 7
                script.device.page_size_cap = 0xfff
            }
            var attributes = ibv_device_attr()
            #expect(library.queryDevice(context, &attributes) == 0)
            #expect(attributes.atomic_cap == IBV_ATOMIC_NONE && attributes.device_cap_flags == 0x1234)
            #expect(attributes.vendor_id == 0x2c9 && attributes.vendor_part_id == 4119 && attributes.hw_ver == 7)
            #expect(attributes.page_size_cap == 0xfff && attributes.max_mr_size == 1 << 40)
            #expect(attributes.max_sge == 32 && attributes.max_qp == 100 && attributes.max_pd == 100)
            #expect(attributes.max_qp_rd_atom == 64 && attributes.max_qp_init_rd_atom == 16)
            #expect(attributes.max_res_rd_atom == 4096)
            scripted.change { $0.device.atomic_capability = 1 }
            var extended = ibv_device_attr_ex()
            let query = try #require(drop_in_context_of(context).pointee.verbs.query_device_ex)
            #expect(query(context, nil, &extended, MemoryLayout<ibv_device_attr_ex>.size) == 0)
            #expect(extended.orig_attr.atomic_cap == IBV_ATOMIC_HCA && extended.device_cap_flags_ex == 0x1234)
            #expect(extended.phys_port_cnt_ex == 1)
            close(context)
        }

        @Test func thePortIsAskedEachTime() throws {
            let context = try open { script in
                script.port.state = IBV_PORT_DOWN.rawValue
                script.port.physical_state = 3
                script.port.active_speed = 64
                script.port.active_width = 2
            }
            let down = try port(context)
            #expect(down.state == IBV_PORT_DOWN && down.phys_state == 3)
            #expect(down.max_mtu == IBV_MTU_4096 && down.active_mtu == IBV_MTU_1024 && down.max_msg_sz == 8 << 20)
            #expect(down.active_speed == 64 && down.active_width == 2 && down.pkey_tbl_len == 1)
            #expect(down.link_layer == UInt8(IBV_LINK_LAYER_ETHERNET))
            scripted.change { script in
                script.port.state = IBV_PORT_ACTIVE.rawValue
                script.port.gid_table_entries = 3
                script.gids = [GID(ipv4: 1), .zero, GID(ipv4: 3)]
            }
            let active = try port(context)
            #expect(active.state == IBV_PORT_ACTIVE && active.gid_tbl_len == 3)
            var entries = [ibv_gid_entry](repeating: ibv_gid_entry(), count: 8)
            #expect(library.gidTable(context, &entries, 8, 0, MemoryLayout<ibv_gid_entry>.stride) == 2)
            #expect(entries[1].gid_index == 2)
            close(context)
        }

        @Test func whatIsReportedCanBeMadeAndNoMore() throws {
            let context = try open()
            var attributes = ibv_device_attr()
            #expect(library.queryDevice(context, &attributes) == 0)
            #expect(attributes.max_cqe == 16384 && attributes.max_qp_wr == 4096)
            let queue = try #require(library.createQueue(context, attributes.max_cqe, nil, nil, 0))
            #expect(queue.pointee.cqe == attributes.max_cqe)
            errno = 0
            #expect(library.createQueue(context, attributes.max_cqe + 1, nil, nil, 0) == nil)
            #expect(errno == EINVAL)
            let domain = try #require(library.allocateDomain(context))
            func make(_ change: (inout ibv_qp_cap) -> Void) -> DropInLibrary.QueuePair? {
                var wanted = ibv_qp_init_attr()
                wanted.send_cq = queue
                wanted.recv_cq = queue
                wanted.qp_type = IBV_QPT_RC
                wanted.cap = ibv_qp_cap(
                    max_send_wr: 4096, max_recv_wr: 4096, max_send_sge: 32, max_recv_sge: 32, max_inline_data: 512)
                change(&wanted.cap)
                errno = 0
                return library.createQueuePair(domain, &wanted)
            }
            let largest = try #require(make { _ in })
            for beyond: (inout ibv_qp_cap) -> Void in [
                { $0.max_send_wr = 4097 }, { $0.max_recv_wr = 4097 }, { $0.max_send_sge = 33 },
                { $0.max_recv_sge = 33 }, { $0.max_inline_data = 513 },
            ] {
                #expect(make(beyond) == nil)
                #expect(errno == EINVAL)
            }
            #expect(library.destroyQueuePair(largest) == 0)
            #expect(library.destroyQueue(queue) == 0)
            close(context)
        }

        @Test func eventsOfThePortAndOfQueuePairsArriveInOrder() throws {
            let context = try open()
            let queue = try #require(library.createQueue(context, 4, nil, nil, 0))
            let domain = try #require(library.allocateDomain(context))
            var wanted = ibv_qp_init_attr()
            wanted.send_cq = queue
            wanted.recv_cq = queue
            wanted.qp_type = IBV_QPT_RC
            let queuePair = try #require(library.createQueuePair(domain, &wanted))
            scripted.report(.portError, element: 1)
            scripted.report(.queuePairFatal, element: queuePair.pointee.qp_num + 1)
            scripted.report(.queuePairFatal, element: queuePair.pointee.qp_num)
            scripted.report(.gidChange, element: 1)
            scripted.report(.portActive, element: 1)
            var event = ibv_async_event()
            for type in [IBV_EVENT_PORT_ERR, IBV_EVENT_QP_FATAL, IBV_EVENT_GID_CHANGE, IBV_EVENT_PORT_ACTIVE] {
                try #require(library.nextAsyncEvent(context, &event) == 0)
                #expect(event.event_type == type)
                if type == IBV_EVENT_QP_FATAL {
                    #expect(event.element.qp == queuePair)
                } else {
                    #expect(event.element.port_num == 1)
                }
                library.acknowledgeAsync(&event)
            }
            #expect(library.destroyQueuePair(queuePair) == 0)
            #expect(library.destroyQueue(queue) == 0)
            close(context)
        }

        @Test func solicitedCompletionsAreAskedForByCommand() throws {
            let context = try open { $0.completionQueueFlags = UInt32(VRDMA_CQ_ARM_BY_COMMAND) }
            let queue = try #require(library.createQueue(context, 4, nil, nil, 0))
            #expect(ibv_req_notify_cq(queue, 1) == 0)
            #expect(ibv_req_notify_cq(queue, 0) == 0)
            #expect(scripted.change { $0.commands(VRDMA_OP_ARM_CQ).count } == 1)
            #expect(library.destroyQueue(queue) == 0)
            let other = try #require(library.createQueue(context, 4, nil, nil, 0))
            scripted.change { $0.failures[VRDMA_OP_ARM_CQ.rawValue] = .noSuchDevice }
            #expect(ibv_req_notify_cq(other, 1) == ENODEV)
            #expect(library.destroyQueue(other) == 0)
            close(context)
        }

        @Test(arguments: [EADDRNOTAVAIL, ENETDOWN, ENODEV, EIO, ETIMEDOUT, ENOMEM, EPERM])
        func errorsKeepTheirNumber(code: Int32) throws {
            let context = try open()
            let queue = try #require(library.createQueue(context, 4, nil, nil, 0))
            let domain = try #require(library.allocateDomain(context))
            var wanted = ibv_qp_init_attr()
            wanted.send_cq = queue
            wanted.recv_cq = queue
            wanted.qp_type = IBV_QPT_RC
            let queuePair = try #require(library.createQueuePair(domain, &wanted))
            scripted.change { script in
                for opcode in [VRDMA_OP_MODIFY_QP, VRDMA_OP_REG_MR] {
                    script.failures[opcode.rawValue] = Errno(rawValue: code)
                }
            }
            var attributes = ibv_qp_attr()
            attributes.qp_state = IBV_QPS_RTR
            errno = 0
            #expect(library.modify(queuePair, &attributes, CInt(IBV_QP_STATE.rawValue)) == code)
            #expect(errno == code)
            #expect(queuePair.pointee.state == IBV_QPS_RESET)
            let memory = try #require(
                mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
            errno = 0
            #expect(library.register(domain, memory, 4096, 1) == nil)
            #expect(errno == code)
            #expect(library.destroyQueuePair(queuePair) == 0)
            #expect(library.destroyQueue(queue) == 0)
            close(context)
            munmap(memory, 4096)
        }
    }
}
