/// Asynchronous events: errors of queue pairs and completion queues, and the end of the device.
///
/// Each event is given once, to whoever asks first.
extension Device {
    /// The next event, without waiting; nil when there is none.
    ///
    /// - Throws: `EIO` when the device is gone and `deviceFatal` was told.
    public func takeEvent() throws(VerbsError) -> AsyncEvent? {
        try explaining("take an event of the device at \(socketPath)") { () throws(Errno) in try asyncEvents.take() }
    }

    /// Waits for the next event.
    ///
    /// - Throws: `ECANCELED` when the task is cancelled, `EIO` when the device is gone and `deviceFatal` was told.
    nonisolated(nonsending) public func nextEvent() async throws(VerbsError) -> AsyncEvent {
        do throws(Errno) {
            return try await asyncEvents.next()
        } catch {
            let operation = "wait for an event of the device at \(socketPath)"
            throw error == .inputOutput
                ? VerbsError(error, operation, ErrorTexts.general(error)) : .cancelled(operation)
        }
    }

    /// All events from now on. Ends when the task is cancelled, or after `deviceFatal`.
    public var events: AsyncEvents { AsyncEvents(device: self) }

    /// A descriptor that is readable when an event waits, for poll(2) and epoll(7). It never blocks; do not read it,
    /// call `takeEvent()` instead. It is open as long as the device is.
    public var eventDescriptor: Int32 { context.asyncDescriptor }

    /// The events of a device, one after the other.
    public struct AsyncEvents: AsyncSequence, Sendable {
        /// An event.
        public typealias Element = AsyncEvent
        /// What `nextEvent()` throws.
        public typealias Failure = VerbsError

        let device: Device

        /// Gives the events.
        public struct AsyncIterator: AsyncIteratorProtocol {
            let device: Device

            /// The next event; nil when the task is cancelled or the device is gone.
            public mutating func next() async throws(VerbsError) -> AsyncEvent? {
                try await next(isolation: #isolation)
            }

            /// The next event; nil when the task is cancelled or the device is gone.
            public mutating func next(
                isolation actor: isolated (any Actor)?
            ) async throws(VerbsError) -> AsyncEvent? {
                do throws(VerbsError) {
                    return try await device.nextEvent()
                } catch {
                    guard error.isCancellation || error.isDeviceGone else { throw error }
                    return nil
                }
            }
        }

        /// Begins to wait.
        public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(device: device) }
    }
}
