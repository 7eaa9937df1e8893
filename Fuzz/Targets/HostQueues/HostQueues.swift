import FuzzDevice
import FuzzKit

/// Work queues of two guests whose queue pairs are connected with each other through a simulated device, which comes and
/// goes, fails and refuses.
@main
enum HostQueues: FuzzTarget {
    static func run(_ input: inout FuzzInput) {
        guard let world = FuzzWorld(hasHost: true) else { return }
        QueueProgram.run(&input, in: world)
    }
}
