import CLinux
import CVRDMAABI
import Testing
import Verbs

@testable import Provider

/// What a completion queue asks to be notified of, in the word that the endpoint reads (`arm`, `arm_served`).
@Suite struct ArmingTests {
    @Test func aWishForAnyCompletionIsNotWeakened() throws {
        let fixture = try ProviderFixture()
        let queue = fixture.completionQueue
        let header = queue.pointee.header
        let arm = { clinux_load_relaxed32(header + 4) }
        queue.arm(solicitedOnly: false)
        let first = arm()
        #expect(first & 3 == VRDMA_CQ_ARM_ANY)
        queue.arm(solicitedOnly: true)
        #expect(arm() & 3 == VRDMA_CQ_ARM_ANY)
        #expect(arm() != first)
        // Once it was answered, the next wish counts as it is.
        clinux_store_relaxed32(header + 68, arm())
        queue.arm(solicitedOnly: true)
        #expect(arm() & 3 == VRDMA_CQ_ARM_SOLICITED)
        // One for a solicited completion is strengthened.
        queue.arm(solicitedOnly: false)
        #expect(arm() & 3 == VRDMA_CQ_ARM_ANY)
    }

    /// A context whose guest driver has the features, with a queue of these flags.
    private func open(
        _ driver: FakeGuestDriver, features: Int32, flags: Int32
    ) throws -> (ProviderContext, UnsafeMutablePointer<ProviderCompletionQueue>) {
        driver.welcome.features = UInt64(features)
        driver.completionQueueFlags = UInt32(flags)
        let context = try ProviderContext.open(socketPath: driver.path)
        return (context, try context.createCompletionQueue(entries: 8))
    }

    private let every: Int32 = 0b1111
    private let byCommand = Int32(VRDMA_CQ_ARM_BY_COMMAND)

    @Test func theDeviceIsToldOfAWishForASolicitedCompletion() throws {
        let driver = try FakeGuestDriver()
        defer { driver.die() }
        let (context, queue) = try open(driver, features: every, flags: byCommand)
        try context.armSolicited(queue)
        #expect(driver.armed.count == 1)
        #expect(driver.armed.first?.handle == queue.pointee.handle && driver.armed.first?.index == 1)
        #expect(clinux_load_relaxed32(queue.pointee.header + 4) & 3 == VRDMA_CQ_ARM_SOLICITED)
        queue.arm(solicitedOnly: false)
        #expect(driver.armed.count == 1)
        // The wish for any completion is in force, and more than what is asked for now.
        try context.armSolicited(queue)
        #expect(driver.armed.count == 1)
        #expect(clinux_load_relaxed32(queue.pointee.header + 4) & 3 == VRDMA_CQ_ARM_ANY)
    }

    @Test func theFlagCountsOnlyWithTheFeature() throws {
        for (features, flags): (Int32, Int32) in [(0b111, byCommand), (every, 0), (every, 2)] {
            let driver = try FakeGuestDriver()
            defer { driver.die() }
            let (context, queue) = try open(driver, features: features, flags: flags)
            try context.armSolicited(queue)
            #expect(driver.armed.isEmpty)
            #expect(clinux_load_relaxed32(queue.pointee.header + 4) & 3 == VRDMA_CQ_ARM_SOLICITED)
        }
    }

    @Test func anErrorOfTheDeviceIsThrown() throws {
        let driver = try FakeGuestDriver()
        defer { driver.die() }
        let (context, queue) = try open(driver, features: every, flags: byCommand)
        for error in [Errno.noSuchDevice, .inputOutput, .outOfMemory] {
            driver.failures[VRDMA_OP_ARM_CQ.rawValue] = error
            #expect(throws: error) { try context.armSolicited(queue) }
        }
    }

    @Test func onADeviceThatIsGoneEveryWishCounts() throws {
        let driver = try FakeGuestDriver()
        let (context, queue) = try open(driver, features: every, flags: byCommand)
        driver.die()
        try context.armSolicited(queue)
        #expect(context.takeArmedQueue(of: 0) == queue)
    }
}
