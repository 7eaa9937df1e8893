import LinuxIO
import Service
import Verbs

extension EmbeddedHost {
    /// Grants or refuses the requests that can be by now.
    func settleRequests() {
        for (token, holder) in holders.sorted(by: { $0.key < $1.key }) {
            guard let request = holder.request, let answer = answer(request) else { continue }
            settle(token, request, answer)
        }
    }

    /// Refuses everybody who waits for a guest that could not start.
    func refuseRequests(for name: String, _ reason: String) {
        for (token, holder) in holders {
            guard let request = holder.request, request.guest == name else { continue }
            settle(token, request, .refused(reason))
        }
    }

    private func settle(_ token: UInt64, _ request: LeaseRequest, _ answer: LeaseAnswer) {
        guard let holder = holders[token] else { return }
        holders[token]?.request = nil
        var answer = answer
        if case .granted = answer {
            take(request.guest, token)
            if let reason = holdByProcess(request) { answer = .refused(reason) }
        }
        // Should the send fail, the end of the connection follows.
        try? TextPacket.send(answer.text, to: holder.file)
    }

    /// Gives the lease to the process that the request names. Returns why that is impossible.
    private func holdByProcess(_ request: LeaseRequest) -> String? {
        guard let number = request.processIdentifier else { return nil }
        do throws(Errno) {
            let process = try ProcessDescriptor.open(number)
            try hold(Holder(file: process, isConnection: false, guest: request.guest))
            return nil
        } catch {
            return "process \(number): \(error)"
        }
    }

    /// The answer to a request; nil as long as the guest starts or stops.
    private func answer(_ request: LeaseRequest) -> LeaseAnswer? {
        if let guest = guests[request.guest] {
            if let address = request.address, address != guest.address {
                return .refused(
                    "guest '\(guest.name)' is running at \(guest.address), not at \(address); "
                        + "use another name, or leave --address away")
            }
            guard guest.state == .ready else { return nil }
            return .granted(socketPath: guest.socketPath, address: guest.address.description)
        }
        guard let address = request.newAddress else {
            return .refused(SocketRemedy.notRunning(request.guest))
        }
        if let other = guests.values.first(where: { $0.address == address }) {
            // One that stops gives its address back.
            if other.state == .stopping { return nil }
            return .refused("the address \(address) belongs to guest '\(other.name)'; use another one")
        }
        do throws(ToolError) {
            guests[request.guest] = try EmbeddedGuest(
                name: request.guest, address: address, directory: directory, log: log
            ) { [events] in events.post($0) }
            return nil
        } catch {
            return .refused(error.description)
        }
    }
}
