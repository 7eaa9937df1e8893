import CVRDMAABI

/// A version of the ABI, as hello and welcome carry it.
package struct ProtocolVersion: Hashable, Sendable, CustomStringConvertible {
    /// Differs when an older peer would misunderstand.
    package var major: UInt16
    /// Differs when something was added.
    package var minor: UInt16

    /// What this program speaks.
    package static let current = ProtocolVersion(major: UInt16(VRDMA_ABI_MAJOR), minor: UInt16(VRDMA_ABI_MINOR))

    package var description: String { "\(major).\(minor)" }
}

/// The features of the ABI that a guest driver passes on: all of them, since it does not take part in any.
package enum ProtocolFeatures {
    /// Every feature bit that this version knows.
    package static let all = UInt64(
        VRDMA_FEATURE_RC | VRDMA_FEATURE_ATOMICS | VRDMA_FEATURE_ZERO_BASED | VRDMA_FEATURE_ARM_CQ)
}
