import CVRDMAABI
import LinuxIO
import Service
import Verbs

extension GuestDriverLoop {
    /// Messages of the endpoint taken in one turn, so that applications get theirs.
    private static let messagesPerTurn = 256
    /// How long a driver that starts waits for its predecessor to be gone for the endpoint.
    private static let refusalNanoseconds: UInt64 = 3_000_000_000

    /// The connection to the endpoint, if it is complete.
    var endpointLink: EndpointLink? {
        if case .connected(let link, _) = endpoint { link } else { nil }
    }

    /// Tries to connect when it is time, and gives up on a welcome that does not come.
    func connectIfDue() throws(GuestDriverError) {
        switch endpoint {
        case .connected: return
        case .greeting(_, let deadline):
            guard deadline <= nowNanoseconds else { return }
            try refused(EndpointRefusal(error: .timedOut, message: "it accepts the connection but does not answer"))
        case .absent(let retry):
            guard retry <= nowNanoseconds, drainDeadlineNanoseconds == nil else { return }
            try connect()
        }
    }

    private func connect() throws(GuestDriverError) {
        let path = configuration.endpointSocketPath
        let hello = EndpointHandshake.hello(name: configuration.name, address: configuration.address)
        do throws(Errno) {
            let link = try EndpointLink(path: path, hello: hello)
            try poller.add(link.socket.rawValue, token: Token.endpoint)
            endpoint = .greeting(
                link, deadlineNanoseconds: nowNanoseconds &+ options.handshakeTimeoutNanoseconds)
        } catch {
            try failed(.endpointUnreachable(path: path, error))
        }
    }

    /// There is something to read on the endpoint's socket.
    func readEndpointSocket() throws(GuestDriverError) {
        switch endpoint {
        case .absent: return
        case .greeting(let link, _): try readWelcome(link)
        case .connected(let link, _):
            do throws(EndpointLink.Failure) {
                try link.takeWakeUps()
            } catch {
                // What the endpoint answered before its end is still worth having.
                _ = takeCompletions()
                lose(reason: error.reason)
            }
        }
    }

    private func readWelcome(_ link: EndpointLink) throws(GuestDriverError) {
        let packet: [UInt8]
        do throws(Errno) {
            guard let received = try link.receiveWelcome() else { return }
            packet = received
        } catch {
            packet = []
        }
        let identity: DeviceIdentity
        do throws(EndpointRefusal) {
            identity = try EndpointHandshake.identity(fromWelcome: packet)
        } catch {
            try refused(error)
            return
        }
        try beginService(link, identity)
    }

    private func beginService(_ link: EndpointLink, _ identity: DeviceIdentity) throws(GuestDriverError) {
        endpoint = .connected(link, identity)
        wasEverConnected = true
        startDeadlineNanoseconds = nil
        backoff.reset()
        log.notice(
            "connected to the endpoint",
            [
                .init("guest", identity.name), .init("address", identity.address),
                .init("endpoint", configuration.endpointSocketPath),
            ])
        // Applications are let in behind the first connection, so that the first one finds a device.
        if listener == nil { try listen() }
        report(.ready(identity))
    }

    /// The endpoint does not want this guest, at least not now.
    private func refused(_ refusal: EndpointRefusal) throws(GuestDriverError) {
        let error = GuestDriverError.endpointRefused(path: configuration.endpointSocketPath, refusal)
        if !wasEverConnected {
            let deadline = refusalDeadlineNanoseconds ?? nowNanoseconds &+ Self.refusalNanoseconds
            refusalDeadlineNanoseconds = deadline
            if !refusal.isTemporary || deadline <= nowNanoseconds { throw error }
        }
        try failed(error)
    }

    /// An attempt to connect failed. Throws when there will not be another one.
    private func failed(_ error: GuestDriverError) throws(GuestDriverError) {
        if case .greeting(let link, _) = endpoint { poller.remove(link.socket.rawValue) }
        endpoint = .absent(retryNanoseconds: nowNanoseconds &+ backoff.next())
        if let deadline = startDeadlineNanoseconds, deadline <= nowNanoseconds { throw error }
        if case .endpointRefused(_, let refusal) = error {
            log.warning(
                "the endpoint refuses this guest; trying again",
                [
                    .init("guest", configuration.name), .init("endpoint", configuration.endpointSocketPath),
                    .init("reason", refusal.message), .init("remedy", refusal.remedy),
                ], subject: refusal.message, limit: .oncePerMinute)
        } else {
            log.warning("no endpoint yet; trying again", [.init("reason", error)], limit: .oncePerMinute)
        }
        report(.waitingForEndpoint(error))
    }

    /// Takes what the endpoint sent. Returns whether there was anything.
    func takeCompletions() -> Bool {
        guard let link = endpointLink else { return false }
        do throws(EndpointLink.Failure) {
            for messageCount in 0..<Self.messagesPerTurn {
                guard let message = try link.pop() else { return messageCount > 0 }
                try act(on: router.complete(message, nowNanoseconds: nowNanoseconds), link)
            }
        } catch {
            lose(reason: error.reason)
        }
        return true
    }

    private func act(on action: CompletionAction, _ link: EndpointLink) throws(EndpointLink.Failure) {
        switch action {
        case .answer(let identifier, let message): answer(identifier, message)
        case .deliver(let event, let identifiers):
            for identifier in identifiers { applications[identifier]?.send(event: event) }
        case .forward(let message): link.enqueue(message)
        case .ignore: break
        case .violation(let problem): throw EndpointLink.Failure(reason: "it broke the protocol: \(problem)")
        }
    }

    /// Moves commands into the channel. Returns whether any was moved.
    func sendCommands() -> Bool {
        guard let link = endpointLink else { return false }
        do throws(EndpointLink.Failure) {
            return try link.flush()
        } catch {
            lose(reason: error.reason)
            return true
        }
    }

    /// The endpoint is gone: tells the applications and begins to look for another.
    private func lose(reason: String) {
        guard case .connected(let link, let identity) = endpoint else { return }
        poller.remove(link.socket.rawValue)
        endpoint = .absent(retryNanoseconds: nowNanoseconds &+ backoff.next())
        log.error(
            "the endpoint is gone; the applications' devices have failed",
            [.init("guest", identity.name), .init("reason", reason), .init("contexts", router.contextCount)])
        loseContexts()
        report(.waitingForEndpoint(nil))
    }

    /// Answers what is under way with `EIO`, sends the fatal event, and gives the applications a moment to read both.
    func loseContexts() {
        let loss = router.loseEndpoint()
        for (identifier, message) in loss.answers { answer(identifier, message) }
        let event = vrdma_async_event(event_type: AsyncEventType.deviceFatal.rawValue, element: 0, slot: 0, reserved: 0)
        for identifier in loss.applications {
            guard let application = applications[identifier] else { continue }
            application.send(event: event)
            application.state = .lost(deadlineNanoseconds: nowNanoseconds &+ options.lossGraceNanoseconds)
            watchDeadline(of: application)
        }
    }
}
