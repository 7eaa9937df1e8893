/// Why a value was refused; the permitted values are the setting's to tell.
struct ConfigurationValueError: Error, Hashable {
    /// What is wrong, for a person.
    var problem: String
}

/// Parsers of the values that a configuration file may hold. All are pure and total.
enum ConfigurationValue {
    /// A whole number in decimal digits.
    static func count(_ text: String, in range: ClosedRange<Int>) throws(ConfigurationValueError) -> Int {
        guard isDecimal(text) else { throw ConfigurationValueError(problem: "'\(text)' is not a whole number") }
        guard let number = Int(text), range.contains(number) else {
            throw ConfigurationValueError(problem: "\(text) is \(side(of: range, Int(text))) the limits")
        }
        return number
    }

    /// A size in bytes: a whole number with B, K, M, G, T, KiB, MiB, GiB, TiB (powers of 1024) or no unit.
    static func sizeBytes(_ text: String, in range: ClosedRange<Int>) throws(ConfigurationValueError) -> Int {
        let (digits, unit) = splitUnit(text)
        let shift: Int
        switch unit {
        case "", "B": shift = 0
        case "K", "KiB": shift = 10
        case "M", "MiB": shift = 20
        case "G", "GiB": shift = 30
        case "T", "TiB": shift = 40
        default: throw ConfigurationValueError(problem: "'\(unit)' is not a unit of size")
        }
        return try scaled(digits, of: text, by: 1 << shift, in: range)
    }

    /// A duration in nanoseconds: a whole number with ns, us, ms, s or min; only 0 needs no unit.
    static func durationNanoseconds(_ text: String, in range: ClosedRange<Int>) throws(ConfigurationValueError) -> Int {
        let (digits, unit) = splitUnit(text)
        let factor: Int
        switch unit {
        case "ns": factor = 1
        case "us", "µs": factor = 1000
        case "ms": factor = 1_000_000
        case "s": factor = 1_000_000_000
        case "min": factor = 60_000_000_000
        case "" where digits == "0": factor = 1
        case "": throw ConfigurationValueError(problem: "'\(text)' has no unit")
        default: throw ConfigurationValueError(problem: "'\(unit)' is not a unit of time")
        }
        return try scaled(digits, of: text, by: factor, in: range)
    }

    /// `yes` or `no`.
    static func flag(_ text: String) throws(ConfigurationValueError) -> Bool {
        switch text {
        case "yes": return true
        case "no": return false
        default: throw ConfigurationValueError(problem: "'\(text)' is neither yes nor no")
        }
    }

    /// Permission bits of a file in octal, without set-user-ID, set-group-ID and sticky bits.
    static func fileMode(_ text: String) throws(ConfigurationValueError) -> UInt32 {
        guard text.utf8.count <= 4, let mode = UInt32(text, radix: 8), text.utf8.first != UInt8(ascii: "+"),
            mode <= 0o777
        else { throw ConfigurationValueError(problem: "'\(text)' is not a file mode") }
        return mode
    }

    /// An absolute path that fits the address of a Unix socket (unix(7): 108 bytes with the terminating zero).
    static func socketPath(_ text: String) throws(ConfigurationValueError) -> String {
        guard text.utf8.first == UInt8(ascii: "/"), text.utf8.last != UInt8(ascii: "/") else {
            throw ConfigurationValueError(problem: "'\(text)' is not an absolute path of a file")
        }
        guard text.utf8.count <= 107 else {
            throw ConfigurationValueError(problem: "\(text.utf8.count) bytes are too long for a socket")
        }
        return text
    }

    /// One of a type's raw values.
    static func choice<Choice: RawRepresentable & CaseIterable>(
        _ text: String, of type: Choice.Type
    ) throws(ConfigurationValueError) -> Choice where Choice.RawValue == String {
        if let choice = Choice(rawValue: text) { return choice }
        let nearest = NearestName.of(text, among: Choice.allCases.map(\.rawValue))
        throw ConfigurationValueError(
            problem: "'\(text)' is not permitted" + (nearest.map { ", did you mean '\($0)'?" } ?? ""))
    }

    /// An ASCII letter or digit.
    static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }

    private static func isDecimal(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
    }

    private static func splitUnit(_ text: String) -> (digits: Substring, unit: String) {
        let digits = text.prefix { $0.isASCII && $0.isWholeNumber }
        return (digits, String(text.dropFirst(digits.count).drop { $0 == " " || $0 == "\t" }))
    }

    private static func scaled(
        _ digits: Substring, of text: String, by factor: Int, in range: ClosedRange<Int>
    ) throws(ConfigurationValueError) -> Int {
        guard isDecimal(digits) else {
            throw ConfigurationValueError(problem: "'\(text)' does not begin with a number")
        }
        let product = Int(digits)?.multipliedReportingOverflow(by: factor)
        let value = product.flatMap { $0.overflow ? nil : $0.partialValue }
        guard let value, range.contains(value) else {
            throw ConfigurationValueError(problem: "\(text) is \(side(of: range, value)) the limits")
        }
        return value
    }

    /// A number too large for `Int` counts as above.
    private static func side(of range: ClosedRange<Int>, _ value: Int?) -> String {
        (value ?? Int.max) < range.lowerBound ? "below" : "above"
    }
}
