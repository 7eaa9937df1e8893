import CRDMACore
import Endpoint
import LinuxIO
import Verbs

extension VerbsAdapter {
    /// How often the adapter looks whether the device is there.
    private static let lookIntervalNanoseconds: UInt64 = 1_000_000_000

    /// The device is gone, or goes as soon as everything on it is given back.
    func lose() {
        guard let device else { return }
        worker.abandon()
        modifications.abandon()
        isClosing = true
        worker.begin(.close(takeRemains(of: device)))
        events.append(.lost)
        lookLater()
    }

    /// An error that a device gives which may be gone. Returns it.
    func noteFailure(_ error: Errno) -> Errno {
        if error.mayMeanLoss, let device, !DeviceDiscovery.isPresent(verbsFile: device.verbsFile) { lose() }
        return error
    }

    /// The kernel said that devices came or went.
    func takePresenceEvents() {
        var isAdded = false
        let isComplete = presence.takeEvents { event in
            // Older events are about the device that had the name before.
            if let device, event.sequence > device.openedAfterEvent,
                event.removes(device: deviceName, verbsFile: device.verbsFile)
            {
                lose()
            }
            if event.addsDevice { isAdded = true }
        }
        if isAdded || !isComplete { lookForDevice() }
    }

    /// Looks whether the device went or came back.
    func lookForDevice() {
        if let device {
            if !DeviceDiscovery.isPresent(verbsFile: device.verbsFile) { lose() } else { lookLater() }
            return
        }
        lookLater()
        guard !isClosing, DeviceDiscovery.isPresent(deviceName) else { return }
        // A device that just appeared may not be usable yet: its file and permissions come from udev.
        guard
            let found = try? VerbsDevice(
                name: deviceName, port: portNumber, elements: limits.scatterGatherElements)
        else { return }
        do throws(Errno) {
            try use(found)
        } catch {
            sources.forget(found.channel.pointee.fd)
            found.close()
            return
        }
        lookLater()
        events.append(.available)
    }

    private func lookLater() {
        let isTold = device != nil && presence.isReliable
        nextLookNanoseconds = isTold ? nil : MonotonicClock.nowNanoseconds &+ Self.lookIntervalNanoseconds
    }
}
