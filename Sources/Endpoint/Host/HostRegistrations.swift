import CVRDMAABI
import MemoryTranslation
import Verbs

/// Registrations on their way to the device: one of each guest at a time, so that none with many or large ones keeps the
/// others waiting for more than one.
extension Device {
    /// Has checked memory registered with the device when the guest's turn comes.
    func beginHostRegistration(
        _ request: vrdma_reg_mr_command, extents: [Extent], guest: Guest, context: UInt32, command: vrdma_message?,
        key: MemoryKey? = nil
    ) {
        guard let host else { return }
        let token = host.newToken()
        host.registrations[token] = PendingRegistration(
            command: command, guest: guest.identifier, context: context,
            contextGeneration: contexts.generation(context), request: request, extents: extents, key: key)
        guest.waitingRegistrations.append(token)
        beginWaitingRegistration(of: guest, host)
    }

    func beginWaitingRegistration(of guest: Guest, _ host: HostState) {
        while !guest.hasBegunRegistration, let token = guest.waitingRegistrations.popFirst() {
            guard let pending = host.registrations[token] else { continue }
            guard contexts.generation(pending.context) == pending.contextGeneration, isStillWanted(pending, guest),
                let domain = guest.protectionDomains[pending.request.pd]?.host
            else {
                finishRegistration(token, .failure(.noSuchDevice), hasBegun: false)
                continue
            }
            guest.hasBegunRegistration = true
            host.adapter.beginRegistration(registration(pending, in: domain, of: guest), token: token)
        }
    }

    /// A region that has its key already may have been deregistered while it waited for its turn.
    private func isStillWanted(_ pending: PendingRegistration, _ guest: Guest) -> Bool {
        guard let key = pending.key else { return true }
        guard let memory = guest.memoryRegions[key.rawValue] else { return false }
        return memory.host == nil
    }

    private func registration(
        _ pending: PendingRegistration, in domain: HostHandle, of guest: Guest
    ) -> HostRegistration {
        let pieces = pending.extents.compactMap { extent in
            guest.regions[extent.region].map {
                HostRegistration.Piece(mapping: $0.mapping, offset: extent.offset, lengthBytes: extent.lengthBytes)
            }
        }
        return HostRegistration(
            domain: domain, start: pending.request.start, lengthBytes: pending.request.length,
            access: AccessFlags(rawValue: pending.request.access), pieces: pieces)
    }

    /// Registrations of a guest that went away which had not begun.
    func forgetWaitingRegistrations(of guest: Guest) {
        while let token = guest.waitingRegistrations.popFirst() { host?.registrations[token] = nil }
    }
}

/// Tokens in the order in which they came, taken from the front without moving the others.
package struct TokenQueue {
    private var tokens: [UInt64] = []
    private var head = 0

    mutating func append(_ token: UInt64) {
        tokens.append(token)
    }

    mutating func popFirst() -> UInt64? {
        guard head < tokens.count else { return nil }
        defer {
            head += 1
            if head == tokens.count {
                tokens.removeAll(keepingCapacity: true)
                head = 0
            }
        }
        return tokens[head]
    }

    var isEmpty: Bool { head == tokens.count }
}
