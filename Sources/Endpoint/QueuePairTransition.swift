import Verbs

/// Which attributes `modify` must and may have with each change of state of an RC queue pair (IBA 11.2.5.2, table 95).
package struct QueuePairTransition: Equatable {
    package let required: AttributeMask
    package let optional: AttributeMask

    /// The bits of `enum ibv_qp_attr_mask` (ibv_modify_qp(3)).
    package struct AttributeMask: OptionSet, Hashable, Sendable {
        package let rawValue: UInt32

        package init(rawValue: UInt32) {
            self.rawValue = rawValue
        }

        package static let state = AttributeMask(rawValue: 1 << 0)
        package static let currentState = AttributeMask(rawValue: 1 << 1)
        package static let enableSQDNotify = AttributeMask(rawValue: 1 << 2)
        package static let accessFlags = AttributeMask(rawValue: 1 << 3)
        package static let pkeyIndex = AttributeMask(rawValue: 1 << 4)
        package static let port = AttributeMask(rawValue: 1 << 5)
        package static let qkey = AttributeMask(rawValue: 1 << 6)
        package static let addressVector = AttributeMask(rawValue: 1 << 7)
        package static let pathMTU = AttributeMask(rawValue: 1 << 8)
        package static let timeout = AttributeMask(rawValue: 1 << 9)
        package static let retryCount = AttributeMask(rawValue: 1 << 10)
        package static let rnrRetry = AttributeMask(rawValue: 1 << 11)
        package static let receivePSN = AttributeMask(rawValue: 1 << 12)
        package static let maxReadAtomic = AttributeMask(rawValue: 1 << 13)
        package static let alternatePath = AttributeMask(rawValue: 1 << 14)
        package static let minRNRTimer = AttributeMask(rawValue: 1 << 15)
        package static let sendPSN = AttributeMask(rawValue: 1 << 16)
        package static let maxDestinationReadAtomic = AttributeMask(rawValue: 1 << 17)
        package static let pathMigrationState = AttributeMask(rawValue: 1 << 18)
        package static let capabilities = AttributeMask(rawValue: 1 << 19)
        package static let destinationQueuePair = AttributeMask(rawValue: 1 << 20)
        package static let rateLimit = AttributeMask(rawValue: 1 << 25)
    }

    /// The rule for a change of state; nil when there is no such change.
    package static func reliableConnection(
        from current: QueuePairState, to next: QueuePairState
    ) -> QueuePairTransition? {
        switch (current, next) {
        case (_, .reset), (_, .error):
            return QueuePairTransition(required: [], optional: [])
        case (.reset, .initialized):
            return QueuePairTransition(required: [.pkeyIndex, .port, .accessFlags], optional: [])
        case (.initialized, .initialized):
            return QueuePairTransition(required: [], optional: [.pkeyIndex, .port, .accessFlags])
        case (.initialized, .readyToReceive):
            return QueuePairTransition(
                required: [
                    .addressVector, .pathMTU, .destinationQueuePair, .receivePSN, .maxDestinationReadAtomic,
                    .minRNRTimer,
                ],
                optional: [.alternatePath, .accessFlags, .pkeyIndex])
        case (.readyToReceive, .readyToSend):
            return QueuePairTransition(
                required: [.timeout, .retryCount, .rnrRetry, .sendPSN, .maxReadAtomic],
                optional: [.currentState, .alternatePath, .accessFlags, .minRNRTimer, .pathMigrationState])
        case (.readyToSend, .readyToSend), (.sendQueueDrained, .readyToSend):
            return QueuePairTransition(
                required: [],
                optional: [.currentState, .accessFlags, .alternatePath, .pathMigrationState, .minRNRTimer])
        case (.readyToSend, .sendQueueDrained):
            return QueuePairTransition(required: [], optional: [.enableSQDNotify])
        case (.sendQueueDrained, .sendQueueDrained):
            return QueuePairTransition(
                required: [],
                optional: [
                    .port, .addressVector, .timeout, .retryCount, .rnrRetry, .maxReadAtomic,
                    .maxDestinationReadAtomic, .alternatePath, .accessFlags, .pkeyIndex, .minRNRTimer,
                    .pathMigrationState,
                ])
        default:
            return nil
        }
    }

    /// Whether a mask has all that is required and nothing that is not permitted.
    package func permits(_ mask: AttributeMask) -> Bool {
        mask.isSuperset(of: required)
            && mask.subtracting(.state).isSubset(of: required.union(optional))
    }
}
