import LinuxIO
import Service
import Verbs

/// Connections of applications: until the hello is read.
extension GuestDriverLoop {
    /// Connections beyond the permitted applications that are kept until they have read why they are refused.
    private static let extraConnections = 64
    /// Connections accepted at once.
    private static let acceptedPerTurn = 16

    /// Begins to let applications in.
    func listen() throws(GuestDriverError) {
        let listener =
            if let givenListener { ApplicationListener(taking: givenListener) } else {
                try ApplicationListener(configuration)
            }
        self.listener = listener
        do throws(Errno) {
            try poller.add(listener.socket.rawValue, token: Token.listener)
        } catch {
            throw .system("epoll_ctl", error)
        }
    }

    func stopAccepting() {
        guard let listener else { return }
        acceptPauseNanoseconds = nil
        poller.remove(listener.socket.rawValue)
        listener.close()
    }

    func resumeAccepting() {
        acceptPauseNanoseconds = nil
        guard let listener, drainDeadlineNanoseconds == nil else { return }
        do throws(Errno) {
            try poller.add(listener.socket.rawValue, token: Token.listener)
        } catch {
            acceptPauseNanoseconds = nowNanoseconds &+ Self.acceptPauseNanoseconds
        }
    }

    func acceptApplications() {
        guard let listener else { return }
        for _ in 0..<Self.acceptedPerTurn {
            switch listener.accept() {
            case .nothing: return
            case .connection(let socket, let credentials): add(socket, credentials)
            case .exhausted(let error):
                log.warning(
                    "no application can connect", [.init("reason", error)], limit: .oncePerMinute)
                poller.remove(listener.socket.rawValue)
                acceptPauseNanoseconds = nowNanoseconds &+ Self.acceptPauseNanoseconds
                return
            }
        }
    }

    private func add(_ socket: FileDescriptor, _ credentials: PacketSocket.Credentials) {
        guard applications.count < configuration.maximumApplications + Self.extraConnections else {
            log.warning("too many connections", [.init("process", credentials.processIdentifier)])
            return
        }
        let application = ApplicationConnection(
            ApplicationIdentifier(rawValue: nextApplication), socket: socket, credentials: credentials,
            helloDeadlineNanoseconds: nowNanoseconds &+ options.handshakeTimeoutNanoseconds)
        nextApplication &+= 1
        do throws(Errno) {
            // Only what is new is reported, so that an application whose turn it is not costs nothing.
            try poller.add(socket.rawValue, token: application.identifier.rawValue, edgeTriggered: true)
        } catch {
            log.warning("no application can connect", [.init("reason", error)], limit: .oncePerMinute)
            return
        }
        applications[application.identifier] = application
        watchDeadline(of: application)
    }
}
