/// Why a measurement could not be made.
struct BenchError: Error, CustomStringConvertible {
    let description: String
    /// The command line asked for something that there is not.
    let isWrongUse: Bool

    init(_ description: String, isWrongUse: Bool = false) {
        self.description = description
        self.isWrongUse = isWrongUse
    }
}
