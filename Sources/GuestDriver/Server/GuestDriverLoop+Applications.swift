import CVRDMAABI
import LinuxIO
import Service
import Verbs

/// What connected applications say, and what they are told.
extension GuestDriverLoop {
    /// Gives an application that has something to read its turn.
    func enqueue(_ application: ApplicationConnection) {
        guard application.isReadable, !application.isQueued else { return }
        application.isQueued = true
        readable.append(application)
    }

    /// Reads at most one packet of each application. Returns whether there was any.
    func readApplications() -> Bool {
        let turn = readable
        readable.removeAll(keepingCapacity: true)
        var isBusy = false
        for application in turn {
            application.isQueued = false
            guard applications[application.identifier] === application else { continue }
            if case .active = application.state {
                // With an answer outstanding the application comes back with the answer; with the channel full, here.
                if router.hasCommandPending(of: application.identifier) { continue }
                guard mayForward, router.mayReceive(from: application.identifier) else {
                    enqueue(application)
                    continue
                }
            }
            isBusy = read(application) || isBusy
            enqueue(application)
        }
        return isBusy
    }

    private var mayForward: Bool {
        guard drainDeadlineNanoseconds == nil else { return false }
        return !(endpointLink?.isCongested ?? false)
    }

    private func read(_ application: ApplicationConnection) -> Bool {
        switch application.receive() {
        case .nothing: return false
        case .end: disconnect(application)
        case .packet(let bytes, let descriptors, let descriptorsWereLost):
            if case .awaitingHello = application.state {
                greet(application, bytes)
            } else {
                take(bytes, descriptors, descriptorsWereLost, from: application)
            }
        }
        return true
    }

    private func greet(_ application: ApplicationConnection, _ hello: [UInt8]) {
        let welcome = ApplicationHandshake.welcome(toHello: hello, availability)
        guard application.send(welcome), welcome.status == 0 else {
            log.info(
                "an application was refused",
                [
                    .init("process", application.credentials.processIdentifier),
                    .init("reason", Errno(rawValue: Int32(truncatingIfNeeded: welcome.status))),
                ])
            disconnect(application)
            return
        }
        application.state = .active
        transient.remove(application.identifier)
        router.connect(application.identifier, processIdentifier: application.credentials.processIdentifier)
        log.debug("an application said hello", identification(of: application))
    }

    private func identification(of application: ApplicationConnection) -> [LogRecord.Field] {
        [
            .init("application", application.identifier.rawValue),
            .init("process", application.credentials.processIdentifier),
            .init("user", application.credentials.userIdentifier),
            .init("group", application.credentials.groupIdentifier),
        ]
    }

    private var availability: ApplicationHandshake.Availability {
        guard case .connected(_, let identity) = endpoint else {
            return .endpointMissing(path: configuration.endpointSocketPath)
        }
        let limit = configuration.maximumApplications
        return router.applicationCount < limit ? .available(identity) : .full(limit: limit)
    }

    private func take(
        _ bytes: [UInt8], _ descriptors: [FileDescriptor], _ descriptorsWereLost: Bool,
        from application: ApplicationConnection
    ) {
        guard bytes.count == MemoryLayout<vrdma_message>.size else {
            log.warning(
                "an application sent a packet that is no command",
                [
                    .init("bytes", bytes.count), .init("process", application.credentials.processIdentifier),
                ])
            disconnect(application)
            return
        }
        let message = bytes.withUnsafeBytes { $0.loadUnaligned(as: vrdma_message.self) }
        let action = router.receive(
            message, from: application.identifier, descriptorCount: descriptors.count,
            descriptorsWereLost: descriptorsWereLost, nowNanoseconds: nowNanoseconds)
        switch action {
        case .answer(let reply): answer(application.identifier, reply)
        case .forward(let command):
            if command.opcode == UInt16(VRDMA_OP_OPEN_CONTEXT.rawValue) { application.eventSocket = descriptors.last }
            endpointLink?.enqueue(command, descriptors: descriptors)
        }
    }

    /// Gives an application its answer, and its next turn.
    func answer(_ identifier: ApplicationIdentifier, _ message: vrdma_message) {
        guard let application = applications[identifier] else { return }
        if message.opcode == UInt16(VRDMA_OP_OPEN_CONTEXT.rawValue), message.status == 0,
            !application.hasOpenedContext
        {
            application.hasOpenedContext = true
            log.info("an application connected", identification(of: application))
        }
        if application.send(message) {
            enqueue(application)
        } else {
            log.warning(
                "an application does not read its replies",
                [.init("process", application.credentials.processIdentifier)])
            disconnect(application)
        }
    }

    func disconnect(_ application: ApplicationConnection) {
        guard applications.removeValue(forKey: application.identifier) != nil else { return }
        poller.remove(application.socket.rawValue)
        transient.remove(application.identifier)
        if let message = router.disconnect(application.identifier, nowNanoseconds: nowNanoseconds) {
            endpointLink?.enqueue(message)
        }
        let fields: [LogRecord.Field] = [
            .init("application", application.identifier.rawValue),
            .init("process", application.credentials.processIdentifier),
            .init("lost-events", application.lostEventCount),
        ]
        // Questions for the device, as of vrdma run and doctor, come and go all the time.
        if application.hasOpenedContext {
            log.info("an application is gone", fields)
        } else {
            log.debug("an application is gone", fields)
        }
    }
}
