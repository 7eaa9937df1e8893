import Endpoint
import FuzzKit
import HostSimulation
import SharedMemory
import Verbs

/// A device with two hostile guests, whose queue pairs are connected with each other, and one that does nothing.
package final class FuzzWorld {
    package let device: Device
    package let attackers: [FuzzGuest]
    private let bystander: FuzzGuest
    package var nowNanoseconds: UInt64 = 1_000_000_000
    /// The device of verbs by which they reach each other, if there is one.
    package let host: SimulatedHostAdapter?

    /// Nil when this process has no room.
    ///
    /// - Parameter hasHost: they reach each other through a device, not memory to memory.
    package init?(hasHost: Bool = false) {
        var limits = DeviceLimits()
        limits.guests = 4
        limits.totalContexts = 8
        limits.totalQueuePairs = 32
        limits.totalCompletionQueues = 32
        limits.contextsPerGuest = 4
        limits.memoryRegionsPerGuest = 64
        limits.regionsPerGuest = 8
        limits.mappedBytesPerGuest = 1 << 20
        do throws(Errno) {
            let addresses = (1...3).map { GID(ipv4: 0x0a00_0000 + $0) }
            let host =
                hasHost ? try SimulatedHostAdapter(network: SimulatedNetwork(), addresses: addresses) : nil
            self.host = host
            device = Device(limits: limits, host: host, usesLocalPath: !hasHost)
            attackers = [try FuzzGuest(device, number: 1, host: host), try FuzzGuest(device, number: 2, host: host)]
            bystander = try FuzzGuest(device, number: 3, host: host)
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
            host?.network.step()
            _ = device.poll(now: nowNanoseconds)
            _ = device.serveHostEvents()
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
        if host != nil { checkHost() }
    }

    /// Something happens to the device, or it is about to fail.
    package func changeDevice(_ choice: UInt8) {
        guard let host else { return }
        switch choice & 15 {
        case 0: host.lose()
        case 1...3: host.restore()
        case 4: host.change(port: choice & 16 == 0 ? 1 : 4)
        case 5: host.behaviour.failNextRequest = WorkCompletionStatus(rawValue: UInt32(choice >> 4) + 1)
        case 6: host.behaviour.failNextRegistration = .outOfMemory
        case 7: host.behaviour.failNextModify = .timedOut
        case 8: host.behaviour.failNextQueuePair = .outOfMemory
        case 9: host.behaviour.failNextQueue = .outOfMemory
        case 10: host.behaviour.failNextDomain = .outOfMemory
        case 11: host.behaviour.refusesSend = choice & 16 == 0 ? nil : { $0.index % 4 == 3 }
        case 12: host.behaviour.refusesReceive = choice & 16 == 0 ? nil : { $0 % 4 == 3 }
        case 13: host.behaviour.memorySteps = 0...Int(choice >> 4)
        case 14: host.behaviour.modificationSteps = 0...Int(choice >> 4)
        default: host.behaviour.idleChance = Int(choice >> 4) * 6
        }
    }

    /// Ends the process when the engine used the device wrongly, or left something on it.
    private func checkHost() {
        guard let host else { return }
        host.restore()
        poll(40)
        device.removeGuest(bystander.identifier)
        poll(40)
        if let violation = host.violations.first { fuzzFailure(violation) }
        if let leftover = host.leftovers.first { fuzzFailure("the device still has \(leftover)") }
    }
}
