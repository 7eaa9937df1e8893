import CVRDMAABI
import FuzzDevice
import FuzzKit
import SharedMemory
import Verbs

@testable import Endpoint

/// The doorbell tree: words of 8 bytes at offsets of 2 bytes, read first by itself and then by the engine.
@main
enum Doorbells: FuzzTarget {
    static func run(_ input: inout FuzzInput) {
        guard let world = FuzzWorld(), let tree = DoorbellTree(world.attackers[0].mapping) else { return }
        let limit = Int(input.byte())
        while !input.isEmpty {
            let word = Int(input.take(as: UInt16.self)) * 8 % DoorbellTree.sizeBytes
            input.write(to: world.attackers[0].mapping.base + word, count: 8)
            if word & 8 == 0 {
                take(tree, limit: limit)
            } else {
                world.poll(2)
            }
        }
        for _ in 0..<8 { take(tree, limit: limit) }
        world.finish()
    }

    private static func take(_ tree: DoorbellTree, limit: Int) {
        var calls = 0
        let taken = tree.take(limit: limit) { bit in
            calls += 1
            if bit >= 2 * VRDMA_DOORBELL_SLOTS { fuzzFailure("a doorbell that there is not") }
        }
        // A leaf is taken whole.
        if calls != taken || taken > limit + 64 { fuzzFailure("\(taken) doorbells of \(limit)") }
    }
}
