import Glibc

/// The user that this process acts for.
enum CurrentUser {
    /// The name, or the number of a user without one.
    static var name: String {
        guard let entry = getpwuid(geteuid()), let name = entry.pointee.pw_name else { return "\(geteuid())" }
        return String(cString: name)
    }
}
