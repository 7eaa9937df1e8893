import Endpoint
import SharedMemory
import Verbs

/// A device with two hostile guests, whose queue pairs are connected with each other, and one that does nothing.
package final class FuzzWorld {
    package let device: Device
    package let attackers: [FuzzGuest]
    private let bystander: FuzzGuest
    package var nowNanoseconds: UInt64 = 1_000_000_000

    /// Nil when this process has no room.
    package init?() {
        var limits = DeviceLimits()
        limits.guests = 4
        limits.totalContexts = 8
        limits.totalQueuePairs = 32
        limits.totalCompletionQueues = 32
        limits.contextsPerGuest = 4
        limits.memoryRegionsPerGuest = 64
        limits.regionsPerGuest = 8
        limits.mappedBytesPerGuest = 1 << 20
        device = Device(limits: limits)
        do throws(Errno) {
            attackers = [try FuzzGuest(device, number: 1), try FuzzGuest(device, number: 2)]
            bystander = try FuzzGuest(device, number: 3)
        } catch {
            return nil
        }
        attackers[0].connect(to: attackers[1])
        attackers[1].connect(to: attackers[0])
    }

    /// Turns of the engine, as after kicks of every context.
    package func poll(_ turns: Int = 1) {
        for guest in attackers { device.wake(context: guest.context) }
        for _ in 0..<turns {
            _ = device.poll(now: nowNanoseconds)
            // They are dropped: who sends them is another's concern.
            _ = device.takeOutputs()
        }
    }

    /// Lets time pass and both hostile guests go, and looks whether the rest is as it was.
    package func finish() {
        poll(4)
        nowNanoseconds &+= 1_000_000_000
        poll(4)
        bystander.checkUntouched()
        for guest in attackers {
            device.removeGuest(guest.identifier)
            poll()
        }
        bystander.checkUntouched()
    }
}
