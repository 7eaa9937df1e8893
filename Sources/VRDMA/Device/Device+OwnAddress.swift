extension Device {
    /// The index of the guest's own address in the GID table.
    func ownAddressIndex(_ port: UInt8) throws(VerbsError) -> UInt8 {
        // The table may have changed meanwhile.
        if let known = knownAddressIndex.withLock({ $0[port] }), try gid(at: Int(known), port: port) == address {
            return known
        }
        guard let found = try gids(port: port).firstIndex(of: address), let index = UInt8(exactly: found) else {
            throw VerbsError(
                .invalidArgument, "connect a queue pair",
                "the GID table of port \(port) does not have the guest's address \(address); choose an entry with "
                    + "ConnectionOptions.sourceIndex")
        }
        knownAddressIndex.withLock { $0[port] = index }
        return index
    }
}
