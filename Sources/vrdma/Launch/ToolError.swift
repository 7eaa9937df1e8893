/// Why a command of `vrdma` failed, in words for its user.
struct ToolError: Error, Hashable, CustomStringConvertible {
    /// What is wrong, and what to do.
    var description: String
    /// The exit status of the program.
    var status: Int32 = 1

    init(_ description: String, status: Int32 = 1) {
        self.description = description
        self.status = status
    }
}
