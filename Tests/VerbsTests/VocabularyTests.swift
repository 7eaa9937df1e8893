import Testing
import Verbs

/// Values that rdma-core's headers fix, and rules of the specification about them.
struct VocabularyTests {
    /// ibv_wc_status_str(3).
    @Test func completionStatus() {
        #expect(WorkCompletionStatus.success.description == "success")
        #expect(WorkCompletionStatus(rawValue: 12).description == "transport retry counter exceeded")
        #expect(WorkCompletionStatus.generalError.rawValue == 21)
        #expect(WorkCompletionStatus(rawValue: 22).description == "unknown")
        #expect(WorkCompletionStatus(rawValue: .max).description == "unknown")
    }

    @Test func requestOpcodes() {
        #expect(WorkRequestOpcode.allCases.map(\.rawValue) == Array(0...6))
        #expect(WorkRequestOpcode(rawValue: 7) == nil)
        #expect(
            WorkRequestOpcode.allCases.filter(\.consumesReceive) == [
                .rdmaWriteWithImmediate, .send, .sendWithImmediate,
            ])
        #expect(WorkRequestOpcode.allCases.filter(\.hasImmediate) == [.rdmaWriteWithImmediate, .sendWithImmediate])
        #expect(WorkRequestOpcode.allCases.filter(\.isAtomic) == [.compareAndSwap, .fetchAndAdd])
        #expect(
            WorkRequestOpcode.allCases.map(\.completionOpcode)
                == [.rdmaWrite, .rdmaWrite, .send, .send, .rdmaRead, .compareAndSwap, .fetchAndAdd])
    }

    /// Remote write and atomic need the local write (IBA 10.6.3.1).
    @Test func consistentAccess() {
        for bits in UInt32(0)..<16 {
            let access = AccessFlags(rawValue: bits)
            let writes = access.contains(.remoteWrite) || access.contains(.remoteAtomic)
            #expect(access.isConsistent == (!writes || access.contains(.localWrite)))
        }
    }

    @Test func states() {
        #expect(QueuePairState.allCases.map(\.rawValue) == Array(0...6))
        #expect(QueuePairState.allCases.map(\.name) == ["RESET", "INIT", "RTR", "RTS", "SQD", "SQE", "ERR"])
        #expect(
            QueuePairState.allCases.filter(\.acceptsRequests) == [.readyToReceive, .readyToSend, .sendQueueDrained])
    }

    @Test func identifiers() {
        #expect(QueuePairNumber(rawValue: .max).rawValue == 0xff_ffff)
        let key = MemoryKey(index: 0xab_cdef, keyPortion: 0x12)
        #expect((key.rawValue, key.index, key.keyPortion) == (0xabcd_ef12, 0xab_cdef, 0x12))
    }

    @Test func errorNumbers() {
        #expect(Errno.invalidArgument.description == "Invalid argument")
        #expect(Errno(rawValue: 99_999).description.contains("99999"))
    }
}
