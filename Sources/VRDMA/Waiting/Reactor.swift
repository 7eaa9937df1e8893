internal import Glibc
internal import LinuxIO

/// Told on the reactor's thread that a descriptor has become readable or was closed by its peer. Must not block.
protocol ReadinessHandler: AnyObject, Sendable {
    func becameReady()
}

/// The one thread of the process that waits for descriptors (epoll(7)) on behalf of all tasks. It starts with the first
/// wait of a task, so that programs which only poll have no thread of this module. It does not exist in a child of
/// fork(2).
final class Reactor: Sendable {
    /// A descriptor that is watched, until `cancel`.
    struct Registration: Sendable {
        let reactor: Reactor
        let descriptor: Int32
        let token: UInt64

        /// Ends the watch. The handler may be told once more, if it is just being told. The descriptor must be open.
        func cancel() {
            reactor.poller.remove(descriptor)
            reactor.handlers.withLock { _ = $0.byToken.removeValue(forKey: token) }
        }
    }

    private struct Handlers {
        var byToken: [UInt64: any ReadinessHandler] = [:]
        var nextToken: UInt64 = 0
    }

    private static let instance = Guarded<Reactor?>(nil)

    private let poller: Poller
    private let handlers = Guarded(Handlers())

    /// The reactor of the process. Throws what epoll_create1(2) and pthread_create(3) report.
    static func shared() throws(Errno) -> Reactor {
        try instance.withLock { (existing) throws(Errno) in
            if let existing { return existing }
            let made = try Reactor()
            try made.start()
            existing = made
            return made
        }
    }

    private init() throws(Errno) {
        poller = try Poller()
    }

    /// Watches a descriptor until the registration is cancelled. An edge-triggered one is told of once per arrival, any
    /// other again and again until it was read.
    func watch(
        _ descriptor: Int32, edgeTriggered: Bool, _ handler: any ReadinessHandler
    ) throws(Errno) -> Registration {
        let token = handlers.withLock { handlers in
            handlers.nextToken &+= 1
            handlers.byToken[handlers.nextToken] = handler
            return handlers.nextToken
        }
        do throws(Errno) {
            try poller.add(descriptor, token: token, edgeTriggered: edgeTriggered)
        } catch {
            handlers.withLock { _ = $0.byToken.removeValue(forKey: token) }
            throw error
        }
        return Registration(reactor: self, descriptor: descriptor, token: token)
    }

    private func start() throws(Errno) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        // Signals are the program's affair: its own threads take them.
        var all = sigset_t()
        var previous = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &previous)
        defer { pthread_sigmask(SIG_SETMASK, &previous, nil) }
        let me = Unmanaged.passRetained(self)
        var thread = pthread_t()
        let error = pthread_create(
            &thread, &attributes,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Reactor>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, me.toOpaque())
        guard error == 0 else {
            me.release()
            throw Errno(rawValue: error)
        }
    }

    private func run() {
        var ready: [Poller.Ready] = []
        while true {
            ready.removeAll(keepingCapacity: true)
            // Only a descriptor that is no epoll any more can make this fail, and then nothing can be done.
            guard (try? poller.wait(timeoutNanoseconds: nil, into: &ready)) != nil else { return }
            for event in ready {
                let handler = handlers.withLock { $0.byToken[event.token] }
                handler?.becameReady()
            }
        }
    }
}
