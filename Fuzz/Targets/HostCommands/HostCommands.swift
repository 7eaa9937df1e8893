import FuzzDevice
import FuzzKit

/// Commands of two guests of an endpoint with a simulated device, which comes and goes, fails and refuses.
@main
enum HostCommands: FuzzTarget {
    static func run(_ input: inout FuzzInput) {
        guard let world = FuzzWorld(hasHost: true) else { return }
        CommandProgram.run(&input, in: world)
    }
}
