/// The version of vRDMA, after semantic versioning.
public enum VRDMAVersion {
    public static let text = "0.1.0"
}
