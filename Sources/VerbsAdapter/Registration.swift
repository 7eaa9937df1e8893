import Endpoint
import Verbs

extension VerbsAdapter {
    package func beginRegistration(_ registration: HostRegistration, token: UInt64) {
        let domain = registration.domain.rawValue
        guard device != nil else {
            events.append(.registrationFailed(token: token, .noSuchDevice))
            return
        }
        guard let entry = domains[domain], !entry.isDestroyed else {
            events.append(.registrationFailed(token: token, .invalidArgument))
            return
        }
        let handle = newHandle()
        memories[handle] = domain
        domains[domain]?.references += 1
        worker.begin(.register(handle, registration, domain: entry.real, token: token))
    }

    package func beginDeregistration(_ memory: HostHandle, token: UInt64) {
        // What the device took with it is gone, and peers cannot reach it.
        guard memories[memory.rawValue] != nil else {
            events.append(.deregistered(token: token))
            return
        }
        guard token != 0 || abandoned.isEmpty else {
            // Queue pairs that may be using it go first.
            abandoned.append(.memory(handle: memory.rawValue))
            return
        }
        worker.begin(.deregister(memory.rawValue, token: token))
    }

    /// Turns what other threads did into events.
    func takeWorkerResults() {
        for result in results.takeAll() {
            switch result {
            case .registered(let memory, let token):
                guard memories[memory.handle.rawValue] != nil else {
                    events.append(.registrationFailed(token: token, .noSuchDevice))
                    continue
                }
                events.append(.registered(token: token, memory))
            case .registrationFailed(let handle, let error, let token):
                forgetMemory(handle)
                events.append(.registrationFailed(token: token, noteFailure(error)))
            case .deregistered(let handle, let token):
                forgetMemory(handle)
                events.append(.deregistered(token: token))
            case .modified(let change, let error):
                finish(change, error)
            case .closed:
                isClosing = false
                lookForDevice()
            }
        }
    }

    private func forgetMemory(_ handle: UInt32) {
        guard let domain = memories.removeValue(forKey: handle) else { return }
        release(domain)
    }
}
