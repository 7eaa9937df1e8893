import Glibc
import Service

/// What a user can do about a socket that cannot be used.
enum SocketRemedy {
    /// The group that the units of the system give their sockets to.
    private static let usualGroup = "vrdma"

    /// For a socket, or a directory of sockets, that this user may not open.
    static func joinGroup(of path: String) -> String {
        var status = stat()
        // The group of root is nothing to join.
        if stat(path, &status) == 0, status.st_gid == 0 {
            if status.st_mode & S_IFMT == S_IFDIR { return "let everybody into root's directory (chmod 0755 \(path))" }
            return "it belongs to root: set 'group = \(usualGroup)' in \(HostSituation.configurationPath) and in the "
                + "guest's configuration, start their daemons again, and \(join(usualGroup))"
        }
        return join(group(of: path))
    }

    private static func join(_ group: String) -> String {
        "join its group (usermod --append --groups \(group) \(CurrentUser.name), then log in again)"
    }

    /// For a guest that nobody started and that has no address yet.
    ///
    /// - Parameter directory: where the system's guests have their configuration.
    static func notRunning(_ guest: String, configurations directory: String = HostSituation.guestsPath) -> String {
        let path = "\(directory)/\(guest).conf"
        guard GuestName.isValid(guest), FileSystem.exists(path) else {
            return "guest '\(guest)' is not running; give it an address: --address ADDR"
        }
        return "the driver of the system's guest '\(guest)' (\(path)) is not running; "
            + "start it (\(startDriver(of: guest)))"
    }

    /// For a guest of the system whose socket nobody listens on.
    static func startDriver(of guest: String) -> String {
        "systemctl start vrdma-guestd@\(guest)"
    }

    private static func group(of path: String) -> String {
        var status = stat()
        guard stat(path, &status) == 0, let entry = getgrgid(status.st_gid),
            let name = entry.pointee.gr_name
        else { return usualGroup }
        return String(cString: name)
    }
}
