import CRDMACore
import Endpoint
import Verbs

extension VerbsAdapter {
    /// Events of one look; more are there with the next one.
    private static let eventsPerLook = 256

    /// Takes the device's asynchronous events. Each is acknowledged at once: the end of its object waits for that.
    func takeAsyncEvents(isHungUp: Bool) {
        guard let device else { return }
        var isLost = isHungUp
        for _ in 0..<Self.eventsPerLook {
            var event = ibv_async_event()
            guard ibv_get_async_event(device.context, &event) == 0 else {
                // The kernel ends the file of a device that it took away.
                if Errno.current != .wouldBlock { isLost = true }
                break
            }
            let translated = translate(event)
            ibv_ack_async_event(&event)
            switch translated {
            case .event(let event): events.append(event)
            case .portEvent(let type):
                refreshPort()
                events.append(.port(type))
            case .loss: isLost = true
            case .nothing: break
            }
        }
        if isLost { lose() }
    }

    private enum Translated {
        case event(HostEvent)
        case portEvent(AsyncEventType)
        case loss
        case nothing
    }

    private func translate(_ event: ibv_async_event) -> Translated {
        guard let type = AsyncEventType(rawValue: event.event_type.rawValue) else { return .nothing }
        if type.concernsQueuePair {
            guard let real = event.element.qp, let index = DeviceIndex.index(real.pointee.qp_context),
                Int(index) < queuePairs.count, queuePairs[Int(index)].real == real
            else { return .nothing }
            return .event(.queuePair(type, index))
        }
        switch type {
        case .completionQueueError:
            guard let real = event.element.cq, let index = DeviceIndex.index(real.pointee.cq_context),
                Int(index) < completionQueues.count, completionQueues[Int(index)].real == real
            else { return .nothing }
            return .event(.completionQueueError(index))
        case .deviceFatal:
            return .loss
        case .portActive, .portError, .lidChange, .pkeyChange, .subnetManagerChange, .clientReregister, .gidChange:
            return event.element.port_num == Int32(portNumber) ? .portEvent(type) : .nothing
        default:
            return .nothing
        }
    }
}
