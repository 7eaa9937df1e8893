@testable import Endpoint

extension Device {
    /// What is still there; empty when all guests are gone.
    var leftovers: [String] {
        var result: [String] = []
        func note(_ count: Int, _ what: String) {
            if count != 0 { result.append("\(count) \(what)") }
        }
        note(guests.count, "guests")
        note(guestsByAddress.count, "addresses")
        note(queuePairs.count, "queue pairs")
        note(completionQueues.count, "completion queues")
        note(contexts.count, "contexts")
        note(contextDetails.count, "details of contexts")
        note(schedules.count, "schedules")
        note(waiting.count, "waiting queue pairs")
        note(turn.regionCount, "regions")
        note(turn.hotContextCount, "hot contexts")
        note(host?.numbers.count ?? 0, "numbers")
        note(host?.remoteKeys.count ?? 0, "remote keys")
        note(host?.registrations.count ?? 0, "registrations")
        note(host?.deregistrations.count ?? 0, "deregistrations")
        note(host?.modifications.count ?? 0, "modifications")
        return result
    }

    /// The device's number of a queue pair.
    func hostNumber(_ queuePair: SimulatedQueuePair) -> UInt32? {
        host?.numbers.real(of: .init(guest: queuePair.context.guest.identifier, number: queuePair.number))
    }

    func path(_ queuePair: SimulatedQueuePair) -> QueuePair.Path? {
        guest(queuePair.context.guest.identifier)?.queuePairNumbers[.init(rawValue: queuePair.number)]
            .map { queuePairs[$0].path }
    }
}
