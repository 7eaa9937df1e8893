/// One line of `vrdma doctor`.
struct Finding: Codable, Hashable {
    enum Level: String, Codable {
        /// As it should be.
        case ok
        /// Not there, and nothing that runs now needs it.
        case info
        /// vRDMA works, but something less well, or not at all for some programs.
        case warn
        /// vRDMA does not work without it.
        case missing
    }

    /// What was looked at.
    var subject: String
    var level: Level
    /// What was found.
    var detail: String
    /// How to mend it; nil when there is nothing to mend.
    var remedy: String?

    static func ok(_ subject: String, _ detail: String) -> Finding {
        Finding(subject: subject, level: .ok, detail: detail)
    }

    static func info(_ subject: String, _ detail: String, remedy: String? = nil) -> Finding {
        Finding(subject: subject, level: .info, detail: detail, remedy: remedy)
    }

    static func warn(_ subject: String, _ detail: String, remedy: String? = nil) -> Finding {
        Finding(subject: subject, level: .warn, detail: detail, remedy: remedy)
    }

    static func missing(_ subject: String, _ detail: String, remedy: String) -> Finding {
        Finding(subject: subject, level: .missing, detail: detail, remedy: remedy)
    }
}
