import CVRDMAABI
import Glibc
import LinuxIO
import Service
import SharedMemory
import Synchronization
import Testing
import Verbs

@testable import GuestDriver

/// A guest driver on a thread of its own, against an endpoint that the test plays.
private final class Rig {
    private struct Quiet: LogDestination {
        func write(_ record: LogRecord) {}
    }

    private final class Outcome: Sendable {
        let error = Mutex<GuestDriverError?>(nil)
        let isOver = Atomic(false)
    }

    let endpoint: FakeEndpoint
    let server: GuestDriverServer
    private let outcome = Outcome()
    private var thread = pthread_t()

    init(prepare: (inout GuestConfiguration, inout GuestDriverOptions) -> Void = { _, _ in }) throws {
        endpoint = try FakeEndpoint()
        var configuration = GuestConfiguration(name: "test", address: GID(ipv4: 0x7f00_0001))
        configuration.endpointSocketPath = endpoint.socketPath
        configuration.applicationSocketPath = endpoint.applicationSocketPath
        var options = GuestDriverOptions()
        options.lossGraceNanoseconds = 1_000_000
        prepare(&configuration, &options)
        let server = try GuestDriverServer(configuration: configuration, log: Log(to: Quiet()), options: options)
        self.server = server
        let work = Unmanaged.passRetained(Work(server: server, outcome: outcome))
        let start: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
            guard let argument else { return nil }
            Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().run()
            return nil
        }
        pthread_create(&thread, nil, start, work.toOpaque())
    }

    private final class Work {
        let server: GuestDriverServer
        let outcome: Outcome

        init(server: GuestDriverServer, outcome: Outcome) {
            self.server = server
            self.outcome = outcome
        }

        func run() {
            do throws(GuestDriverError) {
                try server.run()
            } catch {
                outcome.error.withLock { $0 = error }
            }
            outcome.isOver.store(true, ordering: .releasing)
        }
    }

    /// Waits until `run()` has returned, and tells why if it failed.
    func join() throws -> GuestDriverError? {
        _ = try endpoint.waitFor("the end of run()") { outcome.isOver.load(ordering: .acquiring) ? true : nil }
        return outcome.error.withLock { $0 }
    }

    /// An application with an open context.
    func openContext(_ context: UInt32) throws -> FakeApplication {
        let application = try FakeApplication(endpoint)
        #expect(application.welcome.status == 0)
        try application.sendOpenContext()
        let command = try endpoint.nextCommand()
        #expect(endpoint.descriptorsByToken[command.descriptor_token]?.count == 3)
        var reply = command.reply()
        reply.setPayload(vrdma_open_context_reply(context: context, context_region: 1))
        try endpoint.send(reply)
        #expect(try application.reply().status == 0)
        return application
    }

    deinit {
        server.stop()
        pthread_join(thread, nil)
    }
}

@Suite(.serialized) struct GuestDriverServerTests {
    @Test func commandsGoThereAndBack() throws {
        let rig = try Rig()
        try rig.endpoint.acceptGuestDriver()
        let application = try rig.openContext(5)
        for status in 0..<300 as Range<UInt32> {
            try application.send(VRDMA_OP_ALLOC_PD)
            let command = try rig.endpoint.nextCommand()
            #expect(command.context == 5)
            #expect(command.descriptor_token == 0)
            try rig.endpoint.send(command.reply(status: status))
            #expect(try application.reply().status == status)
        }
        #expect(rig.server.turnCount > 300)
    }

    @Test func anApplicationThatLeavesIsClosed() throws {
        let rig = try Rig()
        try rig.endpoint.acceptGuestDriver()
        var application: FakeApplication? = try rig.openContext(5)
        #expect(application?.welcome.guest_id == 1)
        application = nil
        let command = try rig.endpoint.nextCommand()
        #expect(command.opcode == UInt16(VRDMA_OP_CLOSE_CONTEXT.rawValue))
        #expect(command.context == 5)
    }

    @Test func eventsReachTheirApplication() throws {
        let rig = try Rig()
        try rig.endpoint.acceptGuestDriver()
        let application = try rig.openContext(5)
        var event = vrdma_message(opcode: VRDMA_OP_ASYNC_EVENT.rawValue, context: 5)
        event.setPayload(vrdma_async_event(event_type: 1, element: 9, slot: 2, reserved: 0))
        try rig.endpoint.send(event)
        #expect(try application.nextEvent().element == 9)
    }

    @Test func withoutTheEndpointTheDeviceFailsAndComesBack() throws {
        let rig = try Rig()
        try rig.endpoint.acceptGuestDriver()
        let application = try rig.openContext(5)
        try application.send(VRDMA_OP_ALLOC_PD)
        _ = try rig.endpoint.nextCommand()
        rig.endpoint.die()
        #expect(try application.reply().status == UInt32(EIO))
        #expect(try application.nextEvent().event_type == AsyncEventType.deviceFatal.rawValue)
        try application.waitForEnd()
        #expect(try FakeApplication(rig.endpoint).welcome.status == UInt32(ENODEV))
        try rig.endpoint.listen()
        try rig.endpoint.acceptGuestDriver()
        // The driver reads the welcome when it comes to it.
        let next = try rig.endpoint.waitFor("a device") {
            let next = try FakeApplication(rig.endpoint)
            return next.welcome.status == 0 ? next : nil
        }
        #expect(next.welcome.status == 0)
    }

    @Test func anEndpointThatBreaksTheProtocolIsLeft() throws {
        let rig = try Rig()
        try rig.endpoint.acceptGuestDriver()
        let application = try rig.openContext(5)
        try rig.endpoint.send(vrdma_message(opcode: VRDMA_OP_ALLOC_PD.rawValue, sequence: 0xdead))
        #expect(try application.nextEvent().event_type == AsyncEventType.deviceFatal.rawValue)
    }

    @Test func aRefusalEndsTheStart() throws {
        let rig = try Rig()
        try rig.endpoint.acceptGuestDriver(status: UInt32(EACCES), message: "not listed")
        let error = try #require(try rig.join())
        #expect(error.description.hasPrefix("the endpoint at \(rig.endpoint.socketPath) refuses: not listed; see "))
    }

    @Test func aMissingEndpointEndsTheStartAtItsLimit() throws {
        let rig = try Rig { configuration, options in
            configuration.endpointSocketPath += "-missing"
            options.startTimeoutNanoseconds = 0
        }
        guard case .endpointUnreachable(_, .noSuchFile) = try rig.join() else {
            Issue.record("started without an endpoint")
            return
        }
    }

    @Test func stoppingFailsTheDevices() throws {
        let rig = try Rig()
        try rig.endpoint.acceptGuestDriver()
        let application = try rig.openContext(5)
        rig.server.stop()
        #expect(try rig.join() == nil)
        #expect(try application.nextEvent().event_type == AsyncEventType.deviceFatal.rawValue)
        #expect(access(rig.endpoint.applicationSocketPath, F_OK) != 0)
    }

    @Test func stoppingLetsACommandEnd() throws {
        let rig = try Rig { _, options in options.drainNanoseconds = 60_000_000_000 }
        try rig.endpoint.acceptGuestDriver()
        let application = try rig.openContext(5)
        try application.send(VRDMA_OP_ALLOC_PD)
        let command = try rig.endpoint.nextCommand()
        rig.server.stop()
        try rig.endpoint.send(command.reply(status: 42))
        #expect(try application.reply().status == 42)
        #expect(try rig.join() == nil)
    }

    @Test func applicationsAreLimited() throws {
        let rig = try Rig { configuration, _ in configuration.maximumApplications = 2 }
        try rig.endpoint.acceptGuestDriver()
        let first = try FakeApplication(rig.endpoint)
        let second = try FakeApplication(rig.endpoint)
        let third = try FakeApplication(rig.endpoint)
        #expect([first, second, third].map(\.welcome.status) == [0, 0, UInt32(EUSERS)])
        try third.waitForEnd()
        var more = GuestConfiguration(name: "test", address: nil)
        more.maximumApplications = 3
        rig.server.reload(more)
        let fourth = try rig.endpoint.waitFor("the new limit") {
            let next = try FakeApplication(rig.endpoint)
            return next.welcome.status == 0 ? next : nil
        }
        #expect(fourth.welcome.status == 0)
    }

    @Test func anotherVersionIsTurnedAway() throws {
        let rig = try Rig()
        try rig.endpoint.acceptGuestDriver()
        let application = try FakeApplication(rig.endpoint, major: 9)
        #expect(application.welcome.status == UInt32(EPROTONOSUPPORT))
        try application.waitForEnd()
    }

    @Test func oneWhoDoesNotReadIsDisconnectedAndHarmsNobody() throws {
        let rig = try Rig()
        try rig.endpoint.acceptGuestDriver()
        let deaf = try FakeApplication(rig.endpoint)
        // Refused without the endpoint, so that the driver alone is busy with them.
        for _ in 0..<100_000 {
            do {
                try deaf.send(VRDMA_OP_ALLOC_PD)
            } catch {
                break
            }
        }
        try deaf.waitForEnd()
        let application = try rig.openContext(5)
        #expect(application.welcome.status == 0)
    }

    @Test func packetsThatAreNoCommandsEndTheConnection() throws {
        let rig = try Rig()
        try rig.endpoint.acceptGuestDriver()
        for size in [1, 255, 257, 600] {
            let application = try FakeApplication(rig.endpoint)
            try [UInt8](repeating: 1, count: size).withUnsafeBytes {
                try PacketSocket.send(application.socket.rawValue, $0)
            }
            try application.waitForEnd()
        }
        _ = try rig.openContext(5)
    }
}
