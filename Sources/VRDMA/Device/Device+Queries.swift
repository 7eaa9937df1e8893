internal import CVRDMAABI
internal import Provider

extension Device {
    /// What a port is now (ibv_query_port(3)).
    ///
    /// - Throws: `EINVAL` for a port that there is not.
    public func port(_ number: UInt8 = 1) throws(VerbsError) -> PortAttributes {
        try explaining("query port \(number)", missingPort(number)) { () throws(Errno) in
            PortAttributes(try context.queryPort(number))
        }
    }

    /// An entry of a port's GID table (ibv_query_gid(3)).
    ///
    /// - Throws: `EINVAL` beyond the end of the table.
    public func gid(at index: Int, port: UInt8 = 1) throws(VerbsError) -> GID {
        let operation = "query GID \(index) of port \(port)"
        guard let checked = UInt16(exactly: index) else {
            throw VerbsError(.invalidArgument, operation, beyondTable)
        }
        return try explaining(operation, { $0 == .invalidArgument ? beyondTable : nil }) { () throws(Errno) in
            GID(try context.queryGID(index: checked, port: port).gid)
        }
    }

    /// The GID table of a port as it is now, from entry 0 on.
    public func gids(port: UInt8 = 1) throws(VerbsError) -> [GID] {
        var found: [GID] = []
        for index in 0..<Int(try self.port(port).gidTableEntries) { found.append(try gid(at: index, port: port)) }
        return found
    }

    /// An entry of a port's P_Key table (ibv_query_pkey(3)), in host byte order.
    ///
    /// - Throws: `EINVAL` beyond the end of the table.
    public func partitionKey(at index: Int, port: UInt8 = 1) throws(VerbsError) -> UInt16 {
        let operation = "query P_Key \(index) of port \(port)"
        guard let checked = UInt16(exactly: index) else {
            throw VerbsError(.invalidArgument, operation, "the table has no such entry; it begins with entry 0")
        }
        return try explaining(operation, missingPort(port)) { () throws(Errno) in
            try context.queryPKey(index: checked, port: port)
        }
    }

    private var beyondTable: String { "the table has \(attributes.gidTableEntries) entries, from 0 on" }

    private func missingPort(_ number: UInt8) -> (Errno) -> String? {
        { $0 == .invalidArgument ? "the device has ports 1 to \(self.attributes.portCount)" : nil }
    }
}
