import Testing

@testable import EndpointRuntime

struct EndpointTokenTests {
    @Test(arguments: [
        EndpointToken.listener, .control, .newcomer(0), .newcomer(.max), .guestSocket(7), .guestKick(7),
        .contextKick(7),
        .contextKick(.max), .host,
    ])
    func roundTrip(token: EndpointToken) {
        #expect(EndpointToken(rawValue: token.rawValue) == token)
    }

    @Test(arguments: [UInt64(0), 8 << 32, .max, 1 << 63])
    func unknown(rawValue: UInt64) {
        #expect(EndpointToken(rawValue: rawValue) == nil)
    }
}
