import Service
import Verbs

/// What `vrdma run` asks of the background process: lines of `key=value`, so that versions can differ.
struct LeaseRequest: Hashable {
    /// The guest's name.
    var guest: String
    /// Its address; nil takes the guest as it is.
    var address: GID?
    /// The address of a guest that does not run yet; nil refuses to start it.
    var newAddress: GID?
    /// The process that holds the lease; nil means the connection holds it.
    var processIdentifier: Int32?

    /// The packet.
    var text: String {
        var lines = ["vrdma-lease 1", "guest=\(guest)"]
        if let address { lines.append("address=\(address)") }
        if let newAddress { lines.append("new-address=\(newAddress)") }
        if let processIdentifier { lines.append("process=\(processIdentifier)") }
        return lines.joined(separator: "\n")
    }

    init(guest: String, address: GID?, newAddress: GID? = nil, processIdentifier: Int32? = nil) {
        self.guest = guest
        self.address = address
        self.newAddress = newAddress
        self.processIdentifier = processIdentifier
    }

    /// Nil when the packet is no request.
    init?(_ text: String) {
        let lines = text.split(separator: "\n").map(String.init)
        guard lines.first == "vrdma-lease 1" else { return nil }
        let values = LeaseText.values(lines.dropFirst())
        guard let guest = values["guest"], GuestName.isValid(guest) else { return nil }
        self.guest = guest
        address = values["address"].flatMap(GuestAddress.parse)
        newAddress = values["new-address"].flatMap(GuestAddress.parse)
        guard (address == nil) == (values["address"] == nil), (newAddress == nil) == (values["new-address"] == nil)
        else { return nil }
        if let process = values["process"] {
            guard let number = Int32(process), number > 0 else { return nil }
            processIdentifier = number
        }
    }
}

/// The answer to a request.
enum LeaseAnswer: Hashable {
    /// The guest runs; its applications find it here.
    case granted(socketPath: String, address: String)
    /// Why not.
    case refused(String)

    /// The packet.
    var text: String {
        switch self {
        case .granted(let path, let address): "ok\nsocket=\(path)\naddress=\(address)"
        case .refused(let reason): "error\n\(reason)"
        }
    }

    /// Nil when the packet is no answer.
    init?(_ text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if lines.first == "error" {
            self = .refused(lines.dropFirst().joined(separator: "\n"))
            return
        }
        let values = LeaseText.values(lines.dropFirst())
        guard lines.first == "ok", let path = values["socket"], let address = values["address"] else { return nil }
        self = .granted(socketPath: path, address: address)
    }
}

private enum LeaseText {
    static func values(_ lines: some Sequence<String>) -> [String: String] {
        var values: [String: String] = [:]
        for line in lines {
            guard let equals = line.firstIndex(of: "=") else { continue }
            values[String(line[..<equals])] = String(line[line.index(after: equals)...])
        }
        return values
    }
}
