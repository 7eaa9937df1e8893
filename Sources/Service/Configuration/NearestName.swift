/// Finds the known name that a mistyped one most likely meant.
enum NearestName {
    /// Longer input is never a typing mistake for a known name, and the distance costs the product of both lengths.
    private static let longestBytes = 64

    /// The candidate with the smallest edit distance, if that distance is at most a third of the name's length (at
    /// least one); the first of several equally near.
    static func of(_ name: String, among candidates: some Sequence<String>) -> String? {
        guard !name.isEmpty, name.utf8.count <= longestBytes else { return nil }
        let tolerance = max(1, name.utf8.count / 3)
        var nearest: (name: String, distance: Int)?
        for candidate in candidates where candidate.utf8.count <= longestBytes {
            let distance = editDistance(Array(name.utf8), Array(candidate.utf8))
            if distance <= tolerance, distance < (nearest?.distance ?? Int.max) {
                nearest = (candidate, distance)
            }
        }
        return nearest?.name
    }

    /// Insertions, deletions, substitutions and swaps of neighbours, one each (optimal string alignment).
    static func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var beforePrevious = [Int]()
        var previous = Array(0...right.count)
        for row in 0..<left.count {
            var current = [row + 1]
            current.reserveCapacity(right.count + 1)
            for column in 0..<right.count {
                let substitution = previous[column] + (left[row] == right[column] ? 0 : 1)
                var best = min(substitution, previous[column + 1] + 1, current[column] + 1)
                if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                    best = min(best, beforePrevious[column - 1] + 1)
                }
                current.append(best)
            }
            beforePrevious = previous
            previous = current
        }
        return previous[right.count]
    }
}
