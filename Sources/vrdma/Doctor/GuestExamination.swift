import Glibc
import GuestDriver
import Service
import Verbs

/// The guest drivers that programs of this user may find.
enum GuestExamination {
    private static let suffix = ".sock"
    private static let defaultGuest = "default"

    static func findings() -> [Finding] {
        [inherited()].compactMap(\.self) + system()
    }

    /// The socket that the environment names, which `vrdma run` then uses and no other.
    private static func inherited() -> Finding? {
        guard let path = ProcessEnvironment.value("VRDMA_GUEST_SOCKET") else { return nil }
        let subject = "VRDMA_GUEST_SOCKET"
        switch GuestDriverProbe.ask(socketPath: path) {
        case .device(let identity):
            return .ok(subject, "\(path): guest '\(identity.name)' at \(identity.address)")
        case .refused(_, let message):
            return .missing(subject, "\(path): \(message)", remedy: "unset VRDMA_GUEST_SOCKET")
        case .unreachable(let error) where error == .accessDenied || error == .notPermitted:
            return .missing(
                subject, "permission denied on \(path)",
                remedy: "\(SocketRemedy.joinGroup(of: path)), or unset VRDMA_GUEST_SOCKET")
        case .unreachable(.connectionRefused):
            return .missing(
                subject, "nobody listens at \(path)", remedy: "start its guest driver, or unset VRDMA_GUEST_SOCKET")
        case .unreachable(let error):
            return .missing(subject, "\(path): \(error)", remedy: "unset VRDMA_GUEST_SOCKET")
        }
    }

    /// All guests that the system has sockets of.
    private static func system() -> [Finding] {
        let directory = FileSystem.directory(of: GuestConfiguration.applicationSocketPath(of: defaultGuest))
        if FileSystem.exists(directory), access(directory, R_OK | X_OK) != 0 {
            return [
                .warn(
                    "system guests", "\(directory): \(Errno.current)", remedy: SocketRemedy.joinGroup(of: directory))
            ]
        }
        let names = FileSystem.names(in: directory).filter { $0.hasSuffix(suffix) }
        guard !names.isEmpty else { return [none(HostSituation())] }
        return names.map { system(String($0.dropLast(suffix.count)), "\(directory)/\($0)") }
    }

    /// No guest of the system is running. Those that `vrdma run` starts know nothing of a device.
    static func none(_ situation: HostSituation) -> Finding {
        let subject = "system guests"
        guard situation.need == .configured else { return .ok(subject, "none; vrdma run starts one for this user") }
        let suffix = ".conf"
        let configured = situation.files.names(in: HostSituation.guestsPath).filter { $0.hasSuffix(suffix) }
            .map { String($0.dropLast(suffix.count)) }
        let remedy =
            configured.isEmpty
            ? "cp /etc/vrdma/guest.conf \(HostSituation.guestsPath)/NAME.conf, edit it, and "
                + SocketRemedy.startDriver(of: "NAME")
            : configured.map(SocketRemedy.startDriver).joined(separator: "; ")
        return .warn(
            subject, "none runs: vrdma run starts one for this user, which is not on the endpoint's device",
            remedy: remedy)
    }

    private static func system(_ name: String, _ path: String) -> Finding {
        let subject = "system guest \(name)"
        switch GuestDriverProbe.ask(socketPath: path) {
        case .device(let identity): return .ok(subject, "at \(identity.address)\(use(of: name))")
        case .refused(_, let message):
            return .warn(
                subject, "\(path): \(message)", remedy: "systemctl status vrdma-endpointd vrdma-guestd@\(name)")
        case .unreachable(let error) where error == .accessDenied || error == .notPermitted:
            return .warn(subject, "permission denied on \(path)", remedy: SocketRemedy.joinGroup(of: path))
        case .unreachable(.connectionRefused):
            return .warn(subject, "nobody listens at \(path)", remedy: SocketRemedy.startDriver(of: name))
        case .unreachable(let error):
            return .warn(
                subject, "\(path): \(error)", remedy: "systemctl status vrdma-guestd@\(name)")
        }
    }

    /// How programs get there.
    private static func use(of name: String) -> String {
        if ProcessEnvironment.value("VRDMA_RUNTIME_DIR") != nil { return "; not used, as VRDMA_RUNTIME_DIR is set" }
        return ", used by vrdma run" + (name == defaultGuest ? "" : " --guest \(name)")
    }
}
