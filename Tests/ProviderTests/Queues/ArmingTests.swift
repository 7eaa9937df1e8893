import CLinux
import CVRDMAABI
import Testing

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
}
