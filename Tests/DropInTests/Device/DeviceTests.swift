import CIBVerbsObjects
import Glibc
import Testing

extension WithDevice {
    @Suite struct DeviceTests {
        @Test func withoutAGuestTheListIsEmpty() throws {
            let library = try DropInLibrary.shared.get()
            setenv("VRDMA_GUEST_SOCKET", "/nonexistent/guest.sock", 1)
            defer { unsetenv("VRDMA_GUEST_SOCKET") }
            var count: CInt = 7
            let list = try #require(library.deviceList(&count))
            #expect(count == 0)
            #expect(list[0] == nil)
            library.freeDeviceList(list)
        }

        @Test func identity() throws {
            let installation = try Installation()
            let library = try DropInLibrary.shared.get()
            let context = try Program.open("b", installation)
            let device = try #require(context.pointee.device)
            #expect(library.deviceName(device).map { String(cString: $0) } == "vrdma0")
            #expect(device.pointee.node_type == IBV_NODE_CA)
            #expect(device.pointee.transport_type == IBV_TRANSPORT_IB)
            var attributes = ibv_device_attr()
            #expect(library.queryDevice(context, &attributes) == 0)
            #expect(attributes.node_guid == library.deviceGUID(device))
            #expect(attributes.phys_port_cnt == 1)
            #expect(attributes.max_sge == 32)
            var extended = ibv_device_attr_ex()
            let query = try #require(drop_in_context_of(context).pointee.verbs.query_device_ex)
            #expect(query(context, nil, &extended, MemoryLayout<ibv_device_attr_ex>.size) == 0)
            #expect(extended.orig_attr.max_qp == attributes.max_qp)
            #expect(extended.odp_caps.general_caps == 0)
            #expect(library.close(context) == 0)
        }

        @Test func portAndTables() throws {
            let installation = try Installation()
            let library = try DropInLibrary.shared.get()
            let context = try Program.open("a", installation)
            var port = ibv_port_attr()
            let query = try #require(drop_in_context_of(context).pointee.verbs.query_port)
            #expect(query(context, 1, &port, MemoryLayout<ibv_port_attr>.size) == 0)
            #expect(port.state == IBV_PORT_ACTIVE)
            #expect(port.link_layer == UInt8(IBV_LINK_LAYER_ETHERNET))
            #expect(query(context, 2, &port, MemoryLayout<ibv_port_attr>.size) == EINVAL)
            // A program of older days has less room.
            var shorter = ibv_port_attr()
            shorter.port_cap_flags2 = 0xabcd
            #expect(query(context, 1, &shorter, MemoryLayout<ibv_port_attr>.size - 4) == 0)
            #expect(shorter.state == IBV_PORT_ACTIVE)
            #expect(shorter.port_cap_flags2 == 0xabcd)
            var entries = [ibv_gid_entry](repeating: ibv_gid_entry(), count: 8)
            let count = library.gidTable(context, &entries, 8, 0, MemoryLayout<ibv_gid_entry>.stride)
            #expect(count == 2)
            #expect(count == Int(port.gid_tbl_len))
            #expect(library.gidTable(context, &entries, 1, 0, MemoryLayout<ibv_gid_entry>.stride) == -Int(EINVAL))
            #expect(entries[1].gid_type == IBV_GID_TYPE_ROCE_V2.rawValue)
            let bytes = withUnsafeBytes(of: &entries[1].gid) { Array($0) }
            #expect(bytes == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1])
            var gid = ibv_gid()
            #expect(library.queryGID(context, 1, 99, &gid) == -1)
            #expect(library.queryGID(context, 1, -1, &gid) == -1)
            var pkey: UInt16 = 0
            #expect(library.queryPKey(context, 1, 0, &pkey) == 0)
            #expect(pkey == 0xffff)
            #expect(library.queryPKey(context, 1, 1, &pkey) == -1)
            #expect(library.close(context) == 0)
        }

        @Test func whatIsInUseIsBusy() throws {
            let installation = try Installation()
            let program = try Program("a", installation)
            #expect(program.library.destroyQueue(program.queue) == EBUSY)
            #expect(program.library.destroyChannel(program.channel) == EBUSY)
            #expect(program.library.deallocateDomain(program.domain) == EBUSY)
            program.close()
        }

        @Test func attributesBeyondLimits() throws {
            let installation = try Installation()
            let program = try Program("a", installation)
            let library = program.library
            errno = 0
            #expect(library.createQueue(program.context, 0, nil, nil, 0) == nil)
            #expect(errno == EINVAL)
            #expect(library.createQueue(program.context, 16, nil, nil, 1) == nil)
            #expect(library.createQueue(program.context, .max, nil, nil, 0) == nil)
            for change: (inout ibv_qp_init_attr) -> Void in [
                { $0.cap.max_send_wr = .max }, { $0.cap.max_recv_wr = .max }, { $0.cap.max_send_sge = 33 },
                { $0.cap.max_recv_sge = .max }, { $0.cap.max_inline_data = .max }, { $0.send_cq = nil },
            ] {
                var attributes = ibv_qp_init_attr()
                attributes.send_cq = program.queue
                attributes.recv_cq = program.queue
                attributes.cap = Program.capabilities
                attributes.qp_type = IBV_QPT_RC
                change(&attributes)
                errno = 0
                #expect(library.createQueuePair(program.domain, &attributes) == nil)
                #expect(errno == EINVAL)
            }
            for type in [IBV_QPT_UC, IBV_QPT_UD, IBV_QPT_RAW_PACKET, IBV_QPT_DRIVER] {
                var attributes = ibv_qp_init_attr()
                attributes.send_cq = program.queue
                attributes.recv_cq = program.queue
                attributes.cap = Program.capabilities
                attributes.qp_type = type
                errno = 0
                #expect(library.createQueuePair(program.domain, &attributes) == nil)
                #expect(errno == EOPNOTSUPP)
            }
            program.close()
        }
    }
}
