/// Two look-up tables for one kind of identifier (queue pair numbers, memory keys): from what a guest was told to what
/// the device uses, and back.
///
/// A guest's identifiers are its own and outlive the device's objects; the device's are the device's choice. They are
/// equal as long as the object lives that was there when the guest was told, so that peers who know nothing of us can
/// use them; after that only these tables lead from one to the other.
package struct IdentifierTables {
    /// An identifier as a guest knows it.
    package struct Virtual: Hashable, Sendable {
        package var guest: UInt32
        package var number: UInt32

        package init(guest: UInt32, number: UInt32) {
            self.guest = guest
            self.number = number
        }
    }

    private var realByVirtual: [Virtual: UInt32] = [:]
    private var virtualByReal: [UInt32: Virtual] = [:]

    package init() {}

    package var count: Int { realByVirtual.count }

    /// Joins two identifiers. Whatever either of them was joined with before is forgotten.
    package mutating func join(_ virtual: Virtual, _ real: UInt32) {
        remove(virtual)
        if let other = virtualByReal[real] { remove(other) }
        realByVirtual[virtual] = real
        virtualByReal[real] = virtual
    }

    package mutating func remove(_ virtual: Virtual) {
        guard let real = realByVirtual.removeValue(forKey: virtual) else { return }
        virtualByReal[real] = nil
    }

    package mutating func removeAll() {
        realByVirtual = [:]
        virtualByReal = [:]
    }

    /// What the device calls it.
    package func real(of virtual: Virtual) -> UInt32? { realByVirtual[virtual] }

    /// Whose it is, and what its guest calls it.
    package func virtual(of real: UInt32) -> Virtual? { virtualByReal[real] }
}
