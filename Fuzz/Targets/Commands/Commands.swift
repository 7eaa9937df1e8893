import FuzzDevice
import FuzzKit

/// Commands of two guests of an endpoint without a device.
@main
enum Commands: FuzzTarget {
    static func run(_ input: inout FuzzInput) {
        guard let world = FuzzWorld(hasHost: false) else { return }
        CommandProgram.run(&input, in: world)
    }
}
