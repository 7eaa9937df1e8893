import Glibc

/// What a user can do about a socket that cannot be used.
enum SocketRemedy {
    /// The group that the units of the system give their sockets to.
    private static let usualGroup = "vrdma"

    /// For a socket that this user may not open.
    static func joinGroup(of path: String) -> String {
        "join its group (usermod --append --groups \(group(of: path)) \(CurrentUser.name), then log in again)"
    }

    /// For a guest of the system whose socket nobody listens on.
    static func startDriver(of guest: String) -> String {
        "systemctl start vrdma-guestd@\(guest)"
    }

    private static func group(of path: String) -> String {
        var status = stat()
        // The group of root is nothing to join.
        guard stat(path, &status) == 0, status.st_gid != 0, let entry = getgrgid(status.st_gid),
            let name = entry.pointee.gr_name
        else { return usualGroup }
        return String(cString: name)
    }
}
