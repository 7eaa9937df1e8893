import TestKit
import Testing

@testable import Service

@Suite struct ConfigurationValueTests {
    @Test(arguments: [
        ("0", 0), ("4096", 4096), ("4096B", 4096), ("4 KiB", 4096), ("4K", 4096), ("3M", 3 << 20), ("2 GiB", 2 << 30),
        ("1T", 1 << 40),
    ]) func sizes(text: String, bytes: Int) throws {
        #expect(try ConfigurationValue.sizeBytes(text, in: 0...(1 << 40)) == bytes)
    }

    @Test(arguments: [
        "", "K", "-1", "+1", "1.5G", "1 kB", "1GB", "1 K K", "٣", "9223372036854775808", "8388608 T", "2T",
    ])
    func notSizes(text: String) {
        #expect(throws: ConfigurationValueError.self) {
            try ConfigurationValue.sizeBytes(text, in: 0...(1 << 40))
        }
    }

    @Test(arguments: [
        ("0", 0), ("0s", 0), ("7ns", 7), ("50us", 50000), ("50 µs", 50000), ("3 ms", 3_000_000),
        ("2s", 2_000_000_000), ("1 min", 60_000_000_000),
    ]) func durations(text: String, nanoseconds: Int) throws {
        #expect(try ConfigurationValue.durationNanoseconds(text, in: 0...60_000_000_000) == nanoseconds)
    }

    @Test(arguments: ["", "5", "5 h", "s", "61s", "-1s", "9223372036854775807 min"])
    func notDurations(text: String) {
        #expect(throws: ConfigurationValueError.self) {
            try ConfigurationValue.durationNanoseconds(text, in: 0...60_000_000_000)
        }
    }

    @Test func countsNameTheSideOfTheLimits() {
        func problem(_ text: String) -> String? {
            do throws(ConfigurationValueError) {
                _ = try ConfigurationValue.count(text, in: 1...10)
                return nil
            } catch {
                return error.problem
            }
        }
        #expect(problem("1") == nil)
        #expect(problem("10") == nil)
        #expect(problem("0") == "0 is below the limits")
        #expect(problem("11") == "11 is above the limits")
        #expect(problem("99999999999999999999") == "99999999999999999999 is above the limits")
        #expect(problem("-1") == "'-1' is not a whole number")
        #expect(problem("1e3") == "'1e3' is not a whole number")
    }

    @Test func fileModes() throws {
        #expect(try ConfigurationValue.fileMode("0660") == 0o660)
        #expect(try ConfigurationValue.fileMode("0") == 0)
        #expect(try ConfigurationValue.fileMode("777") == 0o777)
        for text in ["", "1777", "8", "-1", "+7", "00660", "rw"] {
            #expect(throws: ConfigurationValueError.self) { try ConfigurationValue.fileMode(text) }
        }
    }

    @Test func socketPaths() throws {
        #expect(try ConfigurationValue.socketPath("/run/x") == "/run/x")
        let longest = "/" + String(repeating: "x", count: 106)
        #expect(try ConfigurationValue.socketPath(longest) == longest)
        for text in ["run/x", "/", "/run/", longest + "x"] {
            #expect(throws: ConfigurationValueError.self) { try ConfigurationValue.socketPath(text) }
        }
    }

    @Test func unitsAreReadAsTheyAreWritten() throws {
        var random = SeededGenerator(seed: 0x5eed_0002)
        for _ in 0..<500 {
            let value = Int(random.next() >> (2 + random.next() % 62))
            let size = ConfigurationUnits.size(bytes: value)
            #expect(try ConfigurationValue.sizeBytes(size, in: 0...Int.max) == value)
            let duration = ConfigurationUnits.duration(nanoseconds: value)
            #expect(try ConfigurationValue.durationNanoseconds(duration, in: 0...Int.max) == value)
        }
    }

    @Test func guestNames() {
        for name in ["a", "0", "Blue-1_x", String(repeating: "x", count: 25)] { #expect(GuestName.isValid(name)) }
        for name in ["", "-a", "_a", "a.b", "a/b", "a b", "é", String(repeating: "x", count: 26)] {
            #expect(!GuestName.isValid(name))
        }
    }

    @Test func guestAddresses() {
        #expect(GuestAddress.parse("10.0.0.1")?.description == "10.0.0.1")
        #expect(GuestAddress.parse("fd00::1")?.description == "fd00::1")
        for text in ["", "10.0.0", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1", "host", "10.0.0.1/24"] {
            #expect(GuestAddress.parse(text) == nil)
        }
    }

    @Test func nearestNames() {
        let known = ["socket", "admin-socket", "mode", "queue-pairs"]
        #expect(NearestName.of("sokcet", among: known) == "socket")
        #expect(NearestName.of("queue-pair", among: known) == "queue-pairs")
        #expect(NearestName.of("made", among: known) == "mode")
        #expect(NearestName.of("colour", among: known) == nil)
        #expect(NearestName.of("", among: known) == nil)
        #expect(NearestName.of(String(repeating: "x", count: 100_000), among: known) == nil)
        #expect(NearestName.editDistance(Array("kitten".utf8), Array("sitting".utf8)) == 3)
        #expect(NearestName.editDistance([], Array("abc".utf8)) == 3)
    }
}
