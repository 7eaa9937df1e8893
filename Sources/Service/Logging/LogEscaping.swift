/// Makes text from anywhere safe to stand in a line of a log.
enum LogEscaping {
    /// Longest value; what is beyond it is cut.
    static let maximumValueBytes = 1024

    /// Unchanged when it is a plain word, else in quotation marks.
    static func quotedIfNeeded(_ value: String) -> String {
        let isPlain = !value.isEmpty && value.utf8.count <= maximumValueBytes && value.utf8.allSatisfy(isPlainByte)
        return isPlain ? value : quoted(value)
    }

    /// In quotation marks, as a JSON string has it (RFC 8259).
    static func quoted(_ value: String) -> String {
        "\"" + escaped(value, quotationMark: true) + "\""
    }

    /// With control characters escaped.
    static func withoutControls(_ text: String) -> String {
        escaped(text, quotationMark: false)
    }

    private static func escaped(_ text: String, quotationMark: Bool) -> String {
        var result = ""
        var size = 0
        for scalar in text.unicodeScalars {
            size += UTF8.width(scalar)
            guard size <= maximumValueBytes else { return result + "…" }
            switch scalar {
            case "\"" where quotationMark, "\\" where quotationMark: result += "\\\(scalar)"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case _ where isControl(scalar): result += "\\u" + hexadecimal(scalar.value)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// C0 and C1 controls, line separators and the marks that turn the direction of text.
    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7f..<0xa0, 0x2028...0x202e, 0x2066...0x2069: true
        default: false
        }
    }

    private static func hexadecimal(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    private static func isPlainByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "="), UInt8(ascii: "\\"): false
        default: byte > 0x20 && byte < 0x7f
        }
    }
}
