import FuzzDevice
import FuzzKit

/// Work queues of two guests whose queue pairs are connected with each other on the local path.
@main
enum Queues: FuzzTarget {
    static func run(_ input: inout FuzzInput) {
        guard let world = FuzzWorld(hasHost: false) else { return }
        QueueProgram.run(&input, in: world)
    }
}
