/// Times of a guest driver that its configuration file does not set.
package struct GuestDriverOptions: Hashable, Sendable {
    /// How long `run()` waits for an endpoint before it gives up; nil waits for ever.
    package var startTimeoutNanoseconds: UInt64?
    /// Time without work during which the loop polls, and lets others run, before it sleeps: a wake-up costs more than
    /// a whole command.
    package var pollNanoseconds: UInt64 = 50_000
    /// Time for the endpoint's welcome, and for an application's hello.
    package var handshakeTimeoutNanoseconds: UInt64 = 5_000_000_000
    /// Time between the fatal event and the end of the connection of an application whose endpoint is gone.
    package var lossGraceNanoseconds: UInt64 = 1_000_000_000
    /// Longest time to finish commands under way when the driver is stopped.
    package var drainNanoseconds: UInt64 = 1_000_000_000

    /// Creates the default times.
    package init() {}
}
