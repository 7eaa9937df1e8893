import CVRDMAABI
import Endpoint
import LinuxIO
import Service
import Verbs

/// The host adapter in the loop, and what the device answers or wants done later.
extension EndpointLoop {
    /// Says what guests can use from now on.
    func announce(_ adapter: any HostAdapter) {
        guard let host else { return }
        let port = adapter.port
        notedPort = port
        log.notice("the host adapter is ready", host.fields + HostDescription.fields(port), limit: nil)
        if !port.isActive {
            log.warning(
                "the host adapter's port is not active: guests cannot use it until it is",
                host.fields + [.init("remedy", "vrdma doctor")], limit: nil)
        }
    }

    /// Says what became of the port, if it is another one than the log told of. That the device went and came is said by
    /// its own messages.
    func noteHostPort() {
        guard let host, let hostAdapter, hostAdapter.isAvailable else { return }
        let port = hostAdapter.port
        let before = notedPort
        guard port.isActive != before.isActive || port.addresses != before.addresses else { return }
        notedPort = port
        let fields = host.fields + HostDescription.fields(port)
        if port.isActive == before.isActive {
            log.info("the addresses of the host adapter's port have changed", fields)
        } else if port.isActive {
            log.notice("the host adapter's port is active", fields)
        } else {
            log.warning("the host adapter's port went down", fields + [.init("remedy", "vrdma doctor")])
        }
    }

    /// Does what the device wants done outside of itself.
    func deliverOutputs(now: UInt64) {
        let outputs = device.takeOutputs()
        guard !outputs.isEmpty else { return }
        delivery.deliver(outputs, now: now)
        for case .reply(let guest, let message) in outputs { answerLate(message, to: guest) }
    }

    /// A guest that went meanwhile needs no answer.
    private func answerLate(_ reply: vrdma_message, to guest: UInt32) {
        do throws(GuestConnection.Ended) {
            try connections[guest]?.answer(reply)
        } catch {
            end(guest, error)
        }
    }
}
