import CLinux

/// The queue pairs that complete their requests on a completion queue, which software flushing has to find.
extension UnsafeMutablePointer where Pointee == ProviderCompletionQueue {
    func link(sender queuePair: UnsafeMutablePointer<ProviderQueuePair>) {
        clinux_spin_lock(pointee.lock)
        queuePair.pointee.senderLinks = .init(next: pointee.firstSender, previous: nil)
        pointee.firstSender?.pointee.senderLinks.previous = queuePair
        pointee.firstSender = queuePair
        clinux_spin_unlock(pointee.lock)
    }

    func link(receiver queuePair: UnsafeMutablePointer<ProviderQueuePair>) {
        clinux_spin_lock(pointee.lock)
        queuePair.pointee.receiverLinks = .init(next: pointee.firstReceiver, previous: nil)
        pointee.firstReceiver?.pointee.receiverLinks.previous = queuePair
        pointee.firstReceiver = queuePair
        clinux_spin_unlock(pointee.lock)
    }

    func unlink(sender queuePair: UnsafeMutablePointer<ProviderQueuePair>) {
        clinux_spin_lock(pointee.lock)
        let links = queuePair.pointee.senderLinks
        if let previous = links.previous {
            previous.pointee.senderLinks.next = links.next
        } else {
            pointee.firstSender = links.next
        }
        links.next?.pointee.senderLinks.previous = links.previous
        clinux_spin_unlock(pointee.lock)
    }

    func unlink(receiver queuePair: UnsafeMutablePointer<ProviderQueuePair>) {
        clinux_spin_lock(pointee.lock)
        let links = queuePair.pointee.receiverLinks
        if let previous = links.previous {
            previous.pointee.receiverLinks.next = links.next
        } else {
            pointee.firstReceiver = links.next
        }
        links.next?.pointee.receiverLinks.previous = links.previous
        clinux_spin_unlock(pointee.lock)
    }
}
