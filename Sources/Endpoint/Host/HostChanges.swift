import CVRDMAABI
import Verbs

/// Changes of queue pairs that the device answers later, because the kernel may have to look for the peer. Each guest has
/// a few of them under way at a time, so that none keeps the others from connecting.
extension Device {
    func beginChange(_ change: PendingModification, _ host: HostState) {
        let token = host.newToken()
        host.modifications[token] = change
        queuePairs[change.queuePair].isChanging = true
        guard let guest = guests[change.guest] else { return }
        guest.waitingChanges.append(token)
        beginWaitingChanges(of: guest, host)
    }

    private func beginWaitingChanges(of guest: Guest, _ host: HostState) {
        while guest.beginningChanges < guest.limits.changesPerGuest, let token = guest.waitingChanges.popFirst() {
            guard let pending = host.modifications[token] else { continue }
            guard queuePairs.generation(pending.queuePair) == pending.generation else {
                host.modifications[token] = nil
                answer(pending, .invalidArgument, guest: guest)
                continue
            }
            guard queuePairs[pending.queuePair].hasHostObject else {
                // The device was lost meanwhile, and may be back without this queue pair.
                finishModification(token, .noSuchDevice, hasBegun: false)
                continue
            }
            guest.beginningChanges += 1
            host.adapter.beginModification(
                pending.queuePair, pending.translated, source: pending.source, token: token)
        }
    }

    /// Changes of a guest that went away which had not begun.
    func forgetWaitingChanges(of guest: Guest) {
        while let token = guest.waitingChanges.popFirst() { host?.modifications[token] = nil }
    }

    /// The device's answer to a change. A queue pair that ended meanwhile stays as it is.
    func finishModification(_ token: UInt64, _ error: Errno?, hasBegun: Bool = true) {
        guard let host, let pending = host.modifications.removeValue(forKey: token),
            let guest = guests[pending.guest]
        else { return }
        if hasBegun { guest.beginningChanges -= 1 }
        let index = pending.queuePair
        var error = error
        if queuePairs.generation(index) == pending.generation {
            queuePairs[index].isChanging = false
            let isAsBefore = queuePairs[index].state == pending.current
            if error == nil, isAsBefore, queuePairs[index].hasHostObject {
                change(index, pending.attributes, from: pending.current, to: pending.next, path: pending.path)
            } else if error == nil {
                error = .invalidArgument
                abandonHostPath(index)
                if queuePairs[index].state == .error { activate(index) }
            } else if isAsBefore, pending.current == .initialized {
                queuePairs[index].path = .none
            }
        } else if error == nil {
            error = .invalidArgument
        }
        answer(pending, error, guest: guest)
        if hasBegun { beginWaitingChanges(of: guest, host) }
    }

    private func answer(_ pending: PendingModification, _ error: Errno?, guest: Guest) {
        if error != nil { guest.counters.commandErrors &+= 1 }
        outputs.append(
            .reply(guest: guest.identifier, pending.command.reply(status: UInt32(error?.rawValue ?? 0))))
    }
}
