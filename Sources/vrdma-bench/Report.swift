import OutOfBand

/// What a measurement found: names and values, in order.
struct Report {
    enum Value {
        case number(Double)
        case text(String)
        case group(Report)
    }

    private var entries: [(name: String, value: Value)] = []

    mutating func add(_ name: String, _ number: Double) {
        entries.append((name, .number(number)))
    }

    mutating func add(_ name: String, _ number: Int) {
        entries.append((name, .number(Double(number))))
    }

    mutating func add(_ name: String, _ text: String) {
        entries.append((name, .text(text)))
    }

    mutating func add(_ name: String, _ group: Report) {
        entries.append((name, .group(group)))
    }

    /// Median, minimum and so on of times.
    mutating func addTimes(_ name: String, _ nanoseconds: [Double]) {
        let sorted = nanoseconds.sorted()
        guard let first = sorted.first, let last = sorted.last else { return }
        var group = Report()
        group.add("median", sorted[sorted.count / 2])
        group.add("minimum", first)
        group.add("percentile99", sorted[sorted.count * 99 / 100])
        group.add("maximum", last)
        group.add("count", sorted.count)
        add(name, group)
    }

    /// One line. Texts are ours and need no escapes.
    var json: String {
        let pairs = entries.map { entry in
            switch entry.value {
            case .number(let number): "\"\(entry.name)\":\(Self.jsonNumber(number))"
            case .text(let text): "\"\(entry.name)\":\"\(text)\""
            case .group(let group): "\"\(entry.name)\":\(group.json)"
            }
        }
        return "{\(pairs.joined(separator: ","))}"
    }

    /// A line for each value.
    var text: String { lines(prefix: "").joined(separator: "\n") }

    private func lines(prefix: String) -> [String] {
        entries.flatMap { entry in
            switch entry.value {
            case .number(let number): ["\(prefix)\(entry.name): \(Self.jsonNumber(number))"]
            case .text(let text): ["\(prefix)\(entry.name): \(text)"]
            case .group(let group): group.lines(prefix: "\(prefix)\(entry.name).")
            }
        }
    }

    private static func jsonNumber(_ number: Double) -> String {
        guard number.isFinite else { return "null" }
        return number == number.rounded() ? decimal(number, 0) : decimal(number, number.magnitude < 1 ? 9 : 3)
    }
}
