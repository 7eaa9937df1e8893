/// Names one application's connection; a number is never used twice.
package struct ApplicationIdentifier: Hashable, Comparable, Sendable {
    /// The number.
    package let rawValue: UInt64

    /// Creates an identifier.
    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// The one that connected earlier is the lesser one.
    package static func < (left: ApplicationIdentifier, right: ApplicationIdentifier) -> Bool {
        left.rawValue < right.rawValue
    }
}
