/// The rule for the names of guests.
///
/// A name becomes part of a socket's path, of a systemd unit and of the user `vrdma-NAME`, which the system limits to 31
/// bytes; so it is short and plain.
package enum GuestName {
    /// Longest name.
    package static let maximumBytes = 25
    /// The rule, for a person.
    package static let permitted =
        "1 to \(maximumBytes) letters, digits, '-' or '_', beginning with a letter or digit"

    /// Whether the text may name a guest.
    package static func isValid(_ text: String) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= maximumBytes else { return false }
        return ConfigurationValue.isAlphanumeric(first)
            && text.utf8.allSatisfy {
                ConfigurationValue.isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
            }
    }

    static func parse(_ text: String) throws(ConfigurationValueError) -> String {
        guard isValid(text) else { throw ConfigurationValueError(problem: "'\(text)' cannot name a guest") }
        return text
    }
}
