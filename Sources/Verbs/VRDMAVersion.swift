/// The version of vRDMA, after semantic versioning.
public enum VRDMAVersion {
    /// Major, minor and patch.
    public static let text = "0.1.0"
}
