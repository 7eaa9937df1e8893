import CVRDMAABI
import Testing
import Verbs

@testable import Endpoint

/// The state table of an RC queue pair: every pair of states with every kind of attribute mask, against a table that is
/// written here a second time from IBA vol. 1, 11.2.5.2, table 95, and ibv_modify_qp(3).
struct ModifyTableTests {
    /// One line per transition: from, to, required, optional. Attributes by their letters below.
    ///
    /// Transitions to RESET and ERR are possible from everywhere and take no attribute but the state.
    private static let table = """
        RESET INIT  Ipa
        INIT  INIT  -        Ipa
        INIT  RTR   vmqrdn   aIL
        RTR   RTS   tyesx    caLnM
        RTS   RTS   -        caLnM
        RTS   SQD   -        N
        SQD   RTS   -        caLnM
        SQD   SQD   -        pvtyexdLaInM
        """

    private static let letters: [Character: AttributeMask] = [
        "I": .pkeyIndex, "p": .port, "a": .accessFlags, "v": .addressVector, "m": .pathMTU, "q": .destinationQueuePair,
        "r": .receivePSN, "d": .maxDestinationReadAtomic, "n": .minRNRTimer, "L": .alternatePath, "t": .timeout,
        "y": .retryCount, "e": .rnrRetry, "s": .sendPSN, "x": .maxReadAtomic, "c": .currentState,
        "M": .pathMigrationState, "N": .enableSQDNotify,
    ]

    struct Rule {
        var required: AttributeMask
        var optional: AttributeMask
    }

    private static func mask(_ text: Substring?) -> AttributeMask {
        AttributeMask((text ?? "").compactMap { letters[$0] })
    }

    /// Nil where the specification has no such transition.
    static func rule(_ current: QueuePairState, _ next: QueuePairState) -> Rule? {
        if next == .reset || next == .error { return Rule(required: [], optional: []) }
        for line in table.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words[0] == current.name, words[1] == next.name {
                return Rule(required: mask(words[2]), optional: mask(words.dropFirst(3).first))
            }
        }
        return nil
    }

    static func permits(_ mask: AttributeMask, _ current: QueuePairState, _ next: QueuePairState) -> Bool {
        guard let rule = rule(current, next) else { return false }
        let named = mask.subtracting(.state)
        return rule.required.subtracting(named).isEmpty
            && named.subtracting(rule.required).subtracting(rule.optional).isEmpty
    }

    /// A mask that is sometimes right, often nearly right, and sometimes anything.
    private func randomMask(
        _ current: QueuePairState, _ next: QueuePairState, _ generator: inout SeededGenerator
    ) -> AttributeMask {
        let rule = Self.rule(current, next) ?? Rule(required: [], optional: [])
        if generator.chance(1, of: 8) { return AttributeMask(rawValue: UInt32(truncatingIfNeeded: generator.next())) }
        var mask = rule.required.union(
            rule.optional.intersection(AttributeMask(rawValue: UInt32(truncatingIfNeeded: generator.next()))))
        while generator.chance(1, of: 2) {
            mask.formSymmetricDifference(AttributeMask(rawValue: 1 << UInt32.random(in: 0..<26, using: &generator)))
        }
        return mask
    }

    @Test(arguments: QueuePairState.allCases, QueuePairState.allCases)
    func rules(current: QueuePairState, next: QueuePairState) {
        var generator = SeededGenerator(seed: UInt64(current.rawValue * 7 + next.rawValue))
        let rule = QueuePairTransition.reliableConnection(from: current, to: next)
        #expect((rule != nil) == (Self.rule(current, next) != nil))
        for _ in 0..<2000 {
            let mask = randomMask(current, next, &generator)
            let isPermitted = rule?.permits(mask) ?? false
            #expect(isPermitted == Self.permits(mask, current, next), "mask \(String(mask.rawValue, radix: 16))")
        }
    }

    // MARK: On a device

    /// Takes a queue pair that is in RESET to a state; false when an RC queue pair cannot be in it.
    private func bring(_ pair: ConnectedPair, to state: QueuePairState) throws -> Bool {
        let (queuePair, connection) = (pair.a.queuePair, pair.a.connection(to: pair.b))
        try queuePair.modify(.reset)
        switch state {
        case .reset: break
        case .initialized: try queuePair.modify(connection.initialize)
        case .readyToReceive: try queuePair.becomeReadyToReceive(connection)
        case .readyToSend: try queuePair.connect(connection)
        case .sendQueueDrained:
            try queuePair.connect(connection)
            try queuePair.modify(.sendQueueDrained)
        case .sendQueueError: return false
        case .error: try queuePair.modify(.error)
        }
        pair.endpoint.settle()
        return true
    }

    /// Alternate paths are optional in the specification and not offered here.
    private static let notOffered: AttributeMask = [.alternatePath, .pathMigrationState]

    @Test(arguments: QueuePairState.allCases, QueuePairState.allCases)
    func onADevice(current: QueuePairState, next: QueuePairState) throws {
        var generator = SeededGenerator(seed: UInt64(current.rawValue * 7 + next.rawValue) + 100)
        let pair = try ConnectedPair(isConnected: false)
        try pair.b.queuePair.connect(pair.b.connection(to: pair.a))
        let rule = Self.rule(current, next) ?? Rule(required: [], optional: [])
        var masks = [rule.required, rule.required.union(rule.optional).subtracting(Self.notOffered)]
        masks += (0..<26).map { rule.required.symmetricDifference(AttributeMask(rawValue: 1 << $0)) }
        masks += (0..<20).map { _ in randomMask(current, next, &generator) }
        for mask in masks {
            guard try bring(pair, to: current) else { return }
            let before = try pair.a.queuePair.query()
            var attributes = pair.a.connection(to: pair.b).attributes(next, mask)
            attributes.current_qp_state = current.rawValue
            let isExpected = Self.permits(mask, current, next) && mask.isDisjoint(with: Self.notOffered)
            let wasDone: Bool
            do {
                try pair.a.queuePair.modify(attributes)
                wasDone = true
            } catch {
                #expect(error == .invalidArgument)
                wasDone = false
            }
            #expect(wasDone == isExpected, "mask \(String(mask.rawValue, radix: 16))")
            let after = try pair.a.queuePair.query()
            #expect(after.qp_state == (wasDone ? next : current).rawValue)
            if !wasDone { expectEqual(after, before) }
        }
        Invariants.check(pair.endpoint)
    }

    /// Without the state in the mask, the state stays and its own rule counts (ibv_modify_qp(3)).
    @Test func withoutState() throws {
        let pair = try ConnectedPair()
        var connection = Connection()
        connection.access = [.remoteRead]
        var attributes = connection.attributes(.error, .accessFlags)
        attributes.attribute_mask = AttributeMask.accessFlags.rawValue
        try pair.a.queuePair.modify(attributes)
        #expect(try pair.a.queuePair.state() == .readyToSend)
        #expect(try pair.a.queuePair.query().access_flags == AccessFlags.remoteRead.rawValue)
        // RTR to RTR is no transition.
        try pair.reconnect()
        try pair.a.queuePair.modify(.reset)
        try pair.a.queuePair.becomeReadyToReceive(pair.a.connection(to: pair.b))
        #expect(throws: Errno.invalidArgument) { try pair.a.queuePair.modify(attributes) }
    }

    /// A current state that is not the queue pair's is an error (IBA 11.2.5.2).
    @Test func wrongCurrentState() throws {
        let pair = try ConnectedPair()
        for state in QueuePairState.allCases where state != .readyToSend {
            var attributes = Connection().attributes(.readyToSend, [.currentState])
            attributes.current_qp_state = state.rawValue
            #expect(throws: Errno.invalidArgument) { try pair.a.queuePair.modify(attributes) }
        }
    }

    @Test func unknownState() throws {
        let pair = try ConnectedPair()
        for state in [UInt32(7), 8, 100, .max] {
            var attributes = vrdma_qp_attributes()
            attributes.attribute_mask = 1
            attributes.qp_state = state
            #expect(throws: Errno.invalidArgument) { try pair.a.queuePair.modify(attributes) }
        }
        #expect(try pair.a.queuePair.state() == .readyToSend)
    }

    /// Values out of their ranges change nothing.
    @Test func values() throws {
        let pair = try ConnectedPair(isConnected: false)
        let queuePair = pair.a.queuePair
        func expectRefused(_ attributes: vrdma_qp_attributes, _ changes: [(inout vrdma_qp_attributes) -> Void]) throws {
            for (position, change) in changes.enumerated() {
                var wrong = attributes
                change(&wrong)
                #expect(throws: Errno.invalidArgument, "change \(position)") { try queuePair.modify(wrong) }
            }
            try queuePair.modify(attributes)
        }
        let connection = pair.a.connection(to: pair.b)
        try expectRefused(
            connection.initialize,
            [{ $0.port_number = 0 }, { $0.port_number = 2 }, { $0.pkey_index = 1 }, { $0.access_flags = 1 << 8 }])
        try expectRefused(
            connection.readyToReceive,
            [
                { $0.path_mtu = 0 }, { $0.path_mtu = 6 }, { $0.min_rnr_timer = 32 },
                { $0.max_destination_rd_atomic = 129 }, { $0.is_global = 0 }, { $0.source_gid_index = 2 },
                { $0.address_port_number = 2 },
            ])
        try expectRefused(
            connection.readyToSend,
            [{ $0.timeout = 32 }, { $0.retry_count = 8 }, { $0.rnr_retry = 8 }, { $0.max_rd_atomic = 129 }])
    }

    /// A destination that is nobody's has no path.
    @Test func unknownDestination() throws {
        let pair = try ConnectedPair(isConnected: false)
        var connection = pair.a.connection(to: pair.b)
        connection.destination = GID(ipv4: 0x0102_0304)
        try pair.a.queuePair.modify(connection.initialize)
        #expect(throws: Errno.networkUnreachable) { try pair.a.queuePair.modify(connection.readyToReceive) }
        #expect(try pair.a.queuePair.state() == .initialized)
    }

    /// What was set is what a query answers (ibv_query_qp(3)).
    @Test func query() throws {
        let pair = try ConnectedPair(isConnected: false)
        var connection = pair.a.connection(to: pair.b)
        (connection.sendPSN, connection.receivePSN) = (0xff12_3456, 0xff65_4321)
        try pair.a.queuePair.connect(connection)
        let answer = try pair.a.queuePair.query()
        #expect(answer.qp_state == QueuePairState.readyToSend.rawValue)
        #expect(answer.current_qp_state == QueuePairState.readyToSend.rawValue)
        #expect(answer.path_mtu == 3)
        #expect(answer.sq_psn == 0x12_3456)
        #expect(answer.rq_psn == 0x65_4321)
        #expect(answer.destination_qp_number == pair.b.queuePair.number)
        #expect(answer.access_flags == connection.access.rawValue)
        #expect(withUnsafeBytes(of: answer.destination_gid) { Array($0) } == pair.b.guest.address.bytes)
        #expect((answer.timeout, answer.retry_count, answer.rnr_retry) == (14, 3, 3))
        #expect((answer.max_rd_atomic, answer.max_destination_rd_atomic) == (16, 16))
        #expect((answer.min_rnr_timer, answer.port_number, answer.is_global) == (12, 1, 1))
        #expect(answer.sq_draining == 0)
    }
}

private func expectEqual(
    _ found: vrdma_qp_attributes, _ expected: vrdma_qp_attributes, sourceLocation: SourceLocation = #_sourceLocation
) {
    let bytes = withUnsafeBytes(of: found) { Array($0) }
    let others = withUnsafeBytes(of: expected) { Array($0) }
    #expect(difference(bytes, others) == nil, sourceLocation: sourceLocation)
}
