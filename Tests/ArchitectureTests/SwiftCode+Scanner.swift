extension SwiftCode {
    /// Copies code; of comments and strings only the line ends, the quotes, and the code of interpolations.
    struct Scanner {
        let bytes: [UInt8]
        var position = 0
        var result: [UInt8] = []

        init(bytes: [UInt8]) {
            self.bytes = bytes
        }

        private func isAt(_ text: String) -> Bool { bytes[position...].starts(with: text.utf8) }

        private mutating func keep() {
            result.append(bytes[position])
            position += 1
        }

        private mutating func drop(_ count: Int = 1) {
            for _ in 0..<count where position < bytes.count {
                if bytes[position] == UInt8(ascii: "\n") { result.append(bytes[position]) }
                position += 1
            }
        }

        /// Code until the parenthesis that closes an interpolation, or the end of the file.
        mutating func code(until end: UInt8?) {
            var depth = 0
            while position < bytes.count {
                if isAt("//") {
                    while position < bytes.count, bytes[position] != UInt8(ascii: "\n") { drop() }
                } else if isAt("/*") {
                    comment()
                } else if let pounds = poundsOfString() {
                    string(pounds: pounds)
                } else {
                    if bytes[position] == UInt8(ascii: "(") { depth += 1 }
                    if bytes[position] == UInt8(ascii: ")") {
                        if depth == 0, end != nil { return }
                        depth -= 1
                    }
                    keep()
                }
            }
        }

        private mutating func comment() {
            var depth = 0
            repeat {
                if isAt("/*") {
                    depth += 1
                    drop(2)
                } else if isAt("*/") {
                    depth -= 1
                    drop(2)
                } else {
                    drop()
                }
            } while depth > 0 && position < bytes.count
        }

        /// The number of `#` before the quote, when a string begins here.
        private func poundsOfString() -> Int? {
            let pounds = bytes[position...].prefix { $0 == UInt8(ascii: "#") }.count
            let quote = position + pounds
            return quote < bytes.count && bytes[quote] == UInt8(ascii: "\"") ? pounds : nil
        }

        private mutating func string(pounds: Int) {
            drop(pounds)
            let quotes = isAt("\"\"\"") ? "\"\"\"" : "\""
            let end = quotes + String(repeating: "#", count: pounds)
            let escape = "\\" + String(repeating: "#", count: pounds)
            drop(quotes.utf8.count)
            result.append(UInt8(ascii: "\""))
            while position < bytes.count, !isAt(end) {
                if isAt(escape + "(") {
                    drop(escape.utf8.count)
                    keep()
                    code(until: UInt8(ascii: ")"))
                    if position < bytes.count { keep() }
                } else if isAt(escape) {
                    drop(escape.utf8.count + 1)
                } else {
                    drop()
                }
            }
            drop(end.utf8.count)
            result.append(UInt8(ascii: "\""))
        }
    }
}
