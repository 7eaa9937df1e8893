/// What a daemon serves with: it works on the thread that calls `run`, and does what other threads ask.
package protocol SupervisedServer: Sendable {
    /// Why it cannot serve.
    associatedtype Failure: Error & CustomStringConvertible

    /// Serves until `stop`.
    func run() throws(Failure)
    /// Makes `run` finish what is under way, within a bounded time, and return.
    func stop()
    /// Makes the loop turn once.
    func touch()
    /// How often the loop has turned.
    var turnCount: UInt64 { get }
}
