import CVRDMAABI
import Endpoint
import LinuxIO
import Service
import SharedMemory
import Verbs

/// Guest drivers come, give commands, and go.
extension EndpointLoop {
    private static var handshakeNanoseconds: UInt64 { 5_000_000_000 }
    private static var newcomerLimit: Int { 256 }
    private static var acceptsPerLook: Int { 64 }

    func acceptNewcomers() {
        for _ in 0..<Self.acceptsPerLook {
            do throws(Errno) {
                guard let socket = try PacketSocket.accept(listener) else { return }
                if newcomers.count >= Self.newcomerLimit { evictOldestNewcomer() }
                let identifier = UInt32(bitPattern: socket.rawValue)
                try poller.add(socket.rawValue, token: EndpointToken.newcomer(identifier).rawValue)
                newcomers[identifier] = Newcomer(
                    socket: socket, deadlineNanoseconds: MonotonicClock.nowNanoseconds &+ Self.handshakeNanoseconds)
            } catch {
                log.warning("a connection cannot be accepted", [.init("error", error)])
                return
            }
        }
    }

    /// Makes room: whoever means it says hello at once, so the longest silence is given up first.
    private func evictOldestNewcomer() {
        guard let oldest = newcomers.min(by: { $0.value.deadlineNanoseconds < $1.value.deadlineNanoseconds }) else {
            return
        }
        poller.remove(oldest.value.socket.rawValue)
        newcomers[oldest.key] = nil
        log.warning("a connection that said nothing had to make room", [.init("limit", Self.newcomerLimit)])
    }

    func expireNewcomers(now: UInt64) {
        for (identifier, newcomer) in newcomers where newcomer.deadlineNanoseconds <= now {
            poller.remove(newcomer.socket.rawValue)
            newcomers[identifier] = nil
            log.warning("a connection said nothing and was closed")
        }
    }

    /// Reads a newcomer's hello and lets it in, or says why not.
    func greet(_ identifier: UInt32) {
        guard let newcomer = newcomers.removeValue(forKey: identifier) else { return }
        let socket = newcomer.socket
        poller.remove(socket.rawValue)
        do throws(GuestAdmission.Refusal) {
            try admit(socket)
        } catch {
            logRefusal(error)
            send(GuestAdmission.refusal(error), to: socket)
        }
    }

    private func logRefusal(_ refusal: GuestAdmission.Refusal) {
        guard let count = refusals.admit(refusal.message, nowNanoseconds: MonotonicClock.nowNanoseconds) else { return }
        let suppressed: [LogRecord.Field] = count > 0 ? [.init("suppressed", count)] : []
        log.warning("a guest driver was refused", [.init("reason", refusal.message)] + suppressed, limit: nil)
    }

    private func admit(_ socket: FileDescriptor) throws(GuestAdmission.Refusal) {
        var hello = vrdma_hello()
        let received: PacketSocket.Received?
        let credentials: PacketSocket.Credentials
        do throws(Errno) {
            credentials = try PacketSocket.credentials(socket)
            received = try withUnsafeMutableBytes(of: &hello) { buffer throws(Errno) in
                try PacketSocket.receive(socket.rawValue, into: buffer, blocking: false)
            }
        } catch {
            throw GuestAdmission.Refusal(error: error, message: "the hello cannot be read: \(error)")
        }
        guard let received, received.byteCount > 0 else {
            throw GuestAdmission.Refusal(error: .protocolError, message: "the connection was closed before its hello")
        }
        let admitted = try GuestAdmission.judge(
            hello, byteCount: received.isTruncated ? Int.max : received.byteCount, descriptors: received.descriptors,
            credentials: credentials,
            authorization: authorization)
        let guest: UInt32
        do throws(Errno) {
            guard device.guestCount < configuration.totals.guests else { throw .outOfMemory }
            guest = try device.addGuest(
                name: admitted.name, address: admitted.address,
                limits: DeviceLimits(configuration, limits: admitted.limits))
        } catch {
            throw GuestAdmission.Refusal(error: error, message: refusalText(error, admitted))
        }
        do throws(Errno) {
            try poller.add(socket.rawValue, token: EndpointToken.guestSocket(guest).rawValue)
            try poller.add(
                admitted.kick.rawValue, token: EndpointToken.guestKick(guest).rawValue, edgeTriggered: true)
        } catch {
            poller.remove(socket.rawValue)
            device.removeGuest(guest)
            throw GuestAdmission.Refusal(error: error, message: "the endpoint cannot watch the connection: \(error)")
        }
        connections[guest] = GuestConnection(
            socket: socket, kick: admitted.kick, guest: guest, credentials: credentials, channel: admitted.channel)
        send(GuestAdmission.welcome(admitted, guest: guest), to: socket)
        heat(guest)
        log.info(
            "a guest came",
            [
                .init("guest", admitted.name), .init("address", admitted.address),
                .init("driver-pid", credentials.processIdentifier), .init("uid", credentials.userIdentifier),
            ], subject: admitted.name)
    }

    private func refusalText(_ error: Errno, _ admitted: GuestAdmission.Admitted) -> String {
        switch error {
        case .alreadyExists: "a guest named '\(admitted.name)' is running already"
        case .addressInUse: "the address \(admitted.address) is in use by another guest"
        case .outOfMemory:
            "the endpoint's limit of \(configuration.totals.guests) guests is reached ('maximum-guests')"
        default: "\(error)"
        }
    }

    /// Looks at a guest's command channel from now on.
    func heat(_ guest: UInt32) {
        guard let connection = connections[guest], !connection.isHot else { return }
        connection.wake()
        connections[guest]?.isHot = true
        connections[guest]?.idleRounds = 0
        hotGuests.append(guest)
    }

    func readSocket(ofGuest guest: UInt32) {
        do throws(GuestConnection.Ended) {
            try connections[guest]?.receiveDescriptors()
        } catch {
            end(guest, error)
        }
    }

    /// Carries out a guest's waiting commands; returns how many there were.
    func serve(_ guest: UInt32) -> Int {
        guard var connection = connections.removeValue(forKey: guest) else { return 0 }
        do throws(GuestConnection.Ended) {
            let count = try connection.serve { command, descriptors in
                carryOut(command, guest: guest, descriptors: descriptors)
            }
            connections[guest] = connection
            return count
        } catch {
            connections[guest] = connection
            end(guest, error)
            return 1
        }
    }

    /// Nil when the reply comes later.
    private func carryOut(_ command: vrdma_message, guest: UInt32, descriptors: [FileDescriptor]) -> vrdma_message? {
        guard var reply = device.perform(command, guest: guest, descriptors: descriptors) else { return nil }
        guard reply.status == 0 else { return reply }
        switch vrdma_opcode(UInt32(command.opcode)) {
        case VRDMA_OP_OPEN_CONTEXT:
            guard let opened = reply.payload(as: vrdma_open_context_reply.self) else { break }
            do throws(Errno) {
                try watchContext(opened.context)
            } catch {
                var close = vrdma_message(opcode: VRDMA_OP_CLOSE_CONTEXT.rawValue)
                close.context = opened.context
                _ = device.execute(close, guest: guest)
                reply = command.reply(status: UInt32(error.rawValue))
            }
        case VRDMA_OP_CLOSE_CONTEXT: forgetContext(command.context)
        default: break
        }
        return reply
    }

    private func watchContext(_ context: UInt32) throws(Errno) {
        guard let kick = device.kickDescriptor(ofContext: context) else { return }
        try poller.add(kick.rawValue, token: EndpointToken.contextKick(context).rawValue, edgeTriggered: true)
        contextKicks[context] = kick
    }

    /// Applications share their eventfd's file description, which would stay in the poller after it is closed here.
    private func forgetContext(_ context: UInt32) {
        guard let kick = contextKicks.removeValue(forKey: context) else { return }
        poller.remove(kick.rawValue)
    }

    func end(_ guest: UInt32, _ ended: GuestConnection.Ended) {
        guard let connection = connections.removeValue(forKey: guest) else { return }
        hotGuests.removeAll { $0 == guest }
        poller.remove(connection.socket.rawValue)
        poller.remove(connection.kick.rawValue)
        let name = device.guest(guest)?.name ?? ""
        for context in device.guest(guest)?.contexts ?? [] { forgetContext(context) }
        device.removeGuest(guest)
        let fields: [LogRecord.Field] = [.init("guest", name), .init("reason", ended.reason)]
        if ended.isViolation {
            log.warning("a guest was disconnected", fields, subject: name)
        } else {
            log.info("a guest went", fields, subject: name)
        }
    }

    private func send(_ welcome: vrdma_welcome, to socket: FileDescriptor) {
        withUnsafeBytes(of: welcome) { try? PacketSocket.send(socket.rawValue, $0, blocking: false) }
    }
}
