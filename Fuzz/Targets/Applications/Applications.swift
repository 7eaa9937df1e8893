import CVRDMAABI
import FuzzKit
import SharedMemory
import Verbs

@testable import GuestDriver

/// Applications and the endpoint as the guest driver sees them: hellos, commands, replies, ends, in any order.
@main
enum Applications: FuzzTarget {
    static func run(_ input: inout FuzzInput) {
        shakeHands(&input)
        var router = CommandRouter(firstSequence: .max - 1)
        router.limits.maximumPending = 8
        var forwarded: [vrdma_message] = []
        // Identifiers of connections are never used twice.
        var identifiers = (0..<8).map { UInt64($0) }
        var now: UInt64 = 0
        while !input.isEmpty {
            step(&input, &router, &identifiers, &forwarded, &now)
            if router.contextCount > router.applicationCount { fuzzFailure("contexts without applications") }
        }
        _ = router.loseEndpoint()
        if router.isCommandPending || router.contextCount != 0 { fuzzFailure("something outlives the endpoint") }
    }

    private static func shakeHands(_ input: inout FuzzInput) {
        let choice = input.byte()
        let availability: ApplicationHandshake.Availability =
            switch choice & 3 {
            case 0, 1:
                .available(DeviceIdentity(guestIdentifier: 1, name: "a", address: GID(ipv4: 1), features: 7))
            case 2: .endpointMissing(path: "/run/vrdma/endpoint.sock")
            default: .full(limit: 3)
            }
        let length = choice & 4 == 0 ? MemoryLayout<vrdma_hello>.size : Int(input.byte())
        let welcome = ApplicationHandshake.welcome(toHello: input.take(length), availability)
        if choice & 3 > 1, welcome.status == 0 { fuzzFailure("a welcome without a device") }
    }

    private static func step(
        _ input: inout FuzzInput, _ router: inout CommandRouter, _ identifiers: inout [UInt64],
        _ forwarded: inout [vrdma_message], _ now: inout UInt64
    ) {
        let choice = input.byte()
        let place = Int(choice >> 5)
        let application = ApplicationIdentifier(rawValue: identifiers[place])
        switch choice & 7 {
        case 0:
            guard router.applications[application] == nil else { return }
            identifiers[place] += 8
            router.connect(ApplicationIdentifier(rawValue: identifiers[place]), processIdentifier: Int32(choice))
        case 1, 2:
            let message = input.take(as: vrdma_message.self)
            let action = router.receive(
                message, from: application, descriptorCount: Int(message.descriptor_token & 3),
                descriptorsWereLost: message.descriptor_token & 4 != 0, nowNanoseconds: now)
            switch action {
            case .forward(let command):
                if command.descriptor_token != 0 { fuzzFailure("a token of an application was passed on") }
                forwarded.append(command)
            case .answer(let reply):
                if reply.sequence != message.sequence || reply.status == 0 { fuzzFailure("a wrong refusal") }
            }
        case 3: complete(input.take(as: vrdma_message.self), &router, &forwarded, now)
        case 4:
            // The reply to a command that is under way.
            guard !forwarded.isEmpty else { return }
            var reply = forwarded.remove(at: Int(input.byte()) % forwarded.count).reply()
            reply.status = UInt32(input.byte() & 1) * 22
            reply.setPayload(UInt64(input.byte()))
            complete(reply, &router, &forwarded, now)
        case 5:
            if let close = router.disconnect(application, nowNanoseconds: now) { forwarded.append(close) }
        case 6:
            now &+= UInt64(input.word()) << 4
            while router.expire(nowNanoseconds: now) != nil {}
            _ = router.nextDeadlineNanoseconds()
        default:
            if choice >> 5 == 7 {
                _ = router.loseEndpoint()
                forwarded = []
            } else {
                _ = router.mayReceive(from: application)
            }
        }
    }

    private static func complete(
        _ message: vrdma_message, _ router: inout CommandRouter, _ forwarded: inout [vrdma_message], _ now: UInt64
    ) {
        if case .forward(let command) = router.complete(message, nowNanoseconds: now) { forwarded.append(command) }
    }
}
