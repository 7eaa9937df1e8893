import Verbs

/// A user or a group as a configuration names it: by name, or by number.
///
/// Names are resolved when they are needed, not when they are read: the user of a `DynamicUser=` unit exists only while
/// that unit runs.
package enum AccountName: Hashable, Sendable, CustomStringConvertible {
    /// A name of the user or group database.
    case name(String)
    /// A user or group identifier.
    case identifier(UInt32)

    /// The permitted forms, for a person.
    static let permitted = "a name of letters, digits, '-', '_' and '.', or a number below 4294967295"

    /// Nil when the text can be neither a name nor a number. The number `(uid_t)-1` means "unchanged" to chown(2) and is
    /// refused.
    package init?(_ text: String) {
        let bytes = text.utf8
        guard let first = bytes.first, bytes.count <= 32 else { return nil }
        if UInt8(ascii: "0")...UInt8(ascii: "9") ~= first {
            guard let number = UInt32(text), number != UInt32.max else { return nil }
            self = .identifier(number)
        } else {
            guard bytes.allSatisfy(Self.isNameByte), first != UInt8(ascii: "-"), first != UInt8(ascii: ".") else {
                return nil
            }
            self = .name(text)
        }
    }

    package var description: String {
        switch self {
        case .name(let name): name
        case .identifier(let number): String(number)
        }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }
}

extension ConfigurationSetting {
    static func account(
        _ key: String, _ path: SettingPath<Root, AccountName?>, isReloadable: Bool = false
    ) -> Self {
        Self(
            key, path, permitted: AccountName.permitted, isReloadable: isReloadable,
            parse: { (text) throws(ConfigurationValueError) in
                guard let account = AccountName(text) else {
                    throw ConfigurationValueError(problem: "'\(text)' can be neither a name nor a number")
                }
                return account
            },
            format: { $0?.description ?? "" })
    }
}
