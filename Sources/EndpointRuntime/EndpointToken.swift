/// What a descriptor of the loop is for, packed into the word that the poller keeps.
enum EndpointToken: Equatable {
    case listener
    case control
    /// A connection that has not said hello yet, by descriptor number.
    case newcomer(UInt32)
    /// A guest driver's socket, by guest.
    case guestSocket(UInt32)
    /// The eventfd with which a guest driver kicks, by guest.
    case guestKick(UInt32)
    /// The eventfd with which an application kicks, by context.
    case contextKick(UInt32)
    /// The host adapter has something.
    case host

    var rawValue: UInt64 {
        let (kind, identifier): (UInt64, UInt32) =
            switch self {
            case .listener: (1, 0)
            case .control: (2, 0)
            case .newcomer(let identifier): (3, identifier)
            case .guestSocket(let identifier): (4, identifier)
            case .guestKick(let identifier): (5, identifier)
            case .contextKick(let identifier): (6, identifier)
            case .host: (7, 0)
            }
        return kind << 32 | UInt64(identifier)
    }

    init?(rawValue: UInt64) {
        let identifier = UInt32(truncatingIfNeeded: rawValue)
        switch rawValue >> 32 {
        case 1: self = .listener
        case 2: self = .control
        case 3: self = .newcomer(identifier)
        case 4: self = .guestSocket(identifier)
        case 5: self = .guestKick(identifier)
        case 6: self = .contextKick(identifier)
        case 7: self = .host
        default: return nil
        }
    }
}
