import CVRDMAABI
import Testing

@testable import VRDMA

@Suite struct QueuePairAttributesTests {
    @Test func nothingChangesNothing() {
        #expect(QueuePairAttributes().command.attribute_mask == 0)
    }

    /// The bits of `enum ibv_qp_attr_mask`, one for each attribute.
    @Test func eachAttributeHasItsBit() {
        func mask(_ set: (inout QueuePairAttributes) -> Void) -> UInt32 {
            var attributes = QueuePairAttributes()
            set(&attributes)
            return attributes.command.attribute_mask
        }
        let path = QueuePairAttributes.Path(destination: .zero, sourceIndex: 0)
        #expect(mask { $0.state = .error } == 1 << 0)
        #expect(mask { $0.currentState = .error } == 1 << 1)
        #expect(mask { $0.notifiesWhenDrained = true } == 1 << 2)
        #expect(mask { $0.access = [] } == 1 << 3)
        #expect(mask { $0.partitionKeyIndex = 0 } == 1 << 4)
        #expect(mask { $0.port = 1 } == 1 << 5)
        #expect(mask { $0.path = path } == 1 << 7)
        #expect(mask { $0.mtu = .bytes1024 } == 1 << 8)
        #expect(mask { $0.timeout = 1 } == 1 << 9)
        #expect(mask { $0.retryCount = 1 } == 1 << 10)
        #expect(mask { $0.receiverNotReadyRetryCount = 1 } == 1 << 11)
        #expect(mask { $0.receivePSN = PacketSequenceNumber(rawValue: 1) } == 1 << 12)
        #expect(mask { $0.maxReadAtomic = 1 } == 1 << 13)
        #expect(mask { $0.receiverNotReadyTimer = 1 } == 1 << 15)
        #expect(mask { $0.sendPSN = PacketSequenceNumber(rawValue: 1) } == 1 << 16)
        #expect(mask { $0.maxDestinationReadAtomic = 1 } == 1 << 17)
        #expect(mask { $0.destination = QueuePairNumber(rawValue: 1) } == 1 << 20)
    }

    @Test func allSurviveTheCommand() {
        var attributes = QueuePairAttributes(state: .readyToSend)
        attributes.currentState = .readyToReceive
        attributes.notifiesWhenDrained = true
        attributes.access = [.localWrite, .remoteRead]
        attributes.partitionKeyIndex = 3
        attributes.port = 1
        attributes.path = QueuePairAttributes.Path(
            destination: GID(upper: 1, lower: 2), sourceIndex: 3, port: 1, hopLimit: 4, trafficClass: 5, flowLabel: 6,
            serviceLevel: 7)
        attributes.mtu = .bytes2048
        attributes.destination = QueuePairNumber(rawValue: 8)
        attributes.receivePSN = PacketSequenceNumber(rawValue: 9)
        attributes.sendPSN = PacketSequenceNumber(rawValue: 10)
        attributes.timeout = 11
        attributes.retryCount = 6
        attributes.receiverNotReadyRetryCount = 5
        attributes.receiverNotReadyTimer = 12
        attributes.maxReadAtomic = 13
        attributes.maxDestinationReadAtomic = 14
        #expect(QueuePairAttributes(attributes.command) == attributes)
        #expect(attributes.command.is_global == 1)
    }
}
