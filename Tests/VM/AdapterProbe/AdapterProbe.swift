import Glibc
import Verbs

/// Drives the verbs adapter directly, on a device of this machine: `vrdma-verbs-probe DEVICE ADDRESS [CHECK…]`.
///
/// ADDRESS is an address of the device's network interface. Runs the named checks, or all; each prints a line. The exit
/// status is 1 when one failed. The checks of loss take the device away and need root.
@main
enum AdapterProbe {
    static let checks: [(name: String, run: @Sendable (Bench) throws -> Void)] = [
        ("attributes", attributes), ("operations", operations), ("inline", inlineData), ("atomics", atomics),
        ("stitched", stitchedMemory), ("pieces", refusedPieces), ("forbidden", forbiddenKey),
        ("solicited", solicitedEvents), ("solicited-after-sleep", solicitedAfterSleep), ("sleep", sleeping),
        ("many", manyQueuePairs), ("reset", resetForgets), ("addresses", addresses), ("connecting", connecting),
        ("quiet", quietQueues), ("floods", floods), ("refusals", refusals), ("port", portGoesDown), ("loss", loss),
        ("loss-registering", lossWhileRegistering),
    ]

    /// These only when they are named.
    static let others: [(name: String, run: @Sendable (Bench) throws -> Void)] = [("watch", watch)]

    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count >= 3, let address = GID(arguments[2]) else {
            say("usage: vrdma-verbs-probe DEVICE ADDRESS [CHECK…]")
            exit(2)
        }
        let wanted = arguments.dropFirst(3)
        for name in wanted where !(checks + others).contains(where: { $0.name == name }) {
            say("there is no check '\(name)'")
            exit(2)
        }
        var failures = 0
        for check in wanted.isEmpty ? checks : (checks + others).filter({ wanted.contains($0.name) }) {
            do {
                let bench = try Bench(device: arguments[1], address: address)
                try check.run(bench)
                try bench.end()
                say("PASS \(check.name)")
            } catch {
                failures += 1
                say("FAIL \(check.name): \(error)")
            }
        }
        exit(failures == 0 ? 0 : 1)
    }
}

struct Failure: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) {
        self.description = description
    }
}

func expect(_ condition: Bool, _ what: @autoclosure () -> String, line: Int = #line) throws {
    if !condition { throw Failure("line \(line): \(what())") }
}

/// Prints at once, so that it is seen when the program hangs.
func say(_ text: String) {
    let line = text + "\n"
    _ = write(1, line, line.utf8.count)
}
