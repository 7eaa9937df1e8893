import TestKit
import Testing

@testable import Service

@Suite struct ConfigurationFileTests {
    private func mistakes(_ text: String) -> [String] {
        ConfigurationFile(parsing: text, path: "f").mistakes.listed.map(\.description)
    }

    @Test func sectionsEntriesAndComments() {
        let file = ConfigurationFile(
            parsing: "# head\n[a]\r\n  key = one two  # why\nother=#x\ncolour = a#b\n\n[guest  blue]\nk =\n", path: "f")
        #expect(file.mistakes.listed.isEmpty)
        #expect(file.sections.map(\.heading) == ["[a]", "[guest blue]"])
        #expect(file.sections[0].entries.map(\.key) == ["key", "other", "colour"])
        #expect(file.sections[0].entries.map(\.value) == ["one two", "#x", "a#b"])
        #expect(file.sections[0].entries.map(\.line) == [3, 4, 5])
        #expect(file.sections[1].entries.map(\.value) == [""])
    }

    @Test func everyMistakeIsNoted() {
        #expect(
            mistakes("early = 1\n[a]\nk = 1\nk = 2\nnonsense\n= 3\n[b\n[]\n[a b c]\n[a]\nm = 1\n[c]\nx = \u{1}\n") == [
                "f:1: early: stands before the first section",
                "f:4: k: is already set at line 3; keep one of the two",
                "f:5: neither [section] nor 'key = value'",
                "f:6: no key before '='",
                "f:7: the section heading has no ']' at its end",
                "f:8: not a section heading; write [section] or [section NAME]",
                "f:9: not a section heading; write [section] or [section NAME]",
                "f:10: [a] is already at line 2; make one section of the two",
                "f:13: contains a control character; the file must be plain UTF-8 text",
            ])
    }

    @Test func entriesUnderARefusedHeadingAreNotMixedIntoAnother() {
        let file = ConfigurationFile(parsing: "[a]\nk = 1\n[a]\nk = 2\n", path: "f")
        #expect(file.sections.map(\.entries.count) == [1])
    }

    @Test func sizesAreLimited() {
        #expect(mistakes(String(repeating: "#\n", count: 1 << 20)).count == 1)
        #expect(mistakes("[a]\nk = " + String(repeating: "x", count: 5000)) == ["f:2: line longer than 4096 bytes"])
        let many = ConfigurationFile(parsing: String(repeating: "?\n", count: 1000), path: "f").mistakes
        #expect(many.listed.count == 100)
        #expect(many.unlistedCount == 900)
    }

    @Test func longNamesAreShortenedInMistakes() {
        let text = mistakes("[a]\n" + String(repeating: "k", count: 4000) + " = 1\n" + "[a]").joined()
        #expect(text.utf8.count < 2000)
    }

    @Test(arguments: 0..<8) func anyBytesAreParsed(part: Int) throws {
        var random = SeededGenerator(seed: 0x5eed_0001 &+ UInt64(part))
        let alphabet = Array("[]=# \n\r\tab1\u{0}é\"guest endpoint socket".utf8)
        for _ in 0..<200 {
            let bytes = (0..<Int.random(in: 0...300, using: &random)).map { _ in
                random.next() % 16 == 0
                    ? UInt8.random(in: 0...255, using: &random) : alphabet.randomElement(using: &random) ?? 0
            }
            let file = ConfigurationFile(parsing: String(decoding: bytes, as: UTF8.self), path: "f")
            _ = try? EndpointConfiguration(file)
            _ = try? GuestConfiguration(file)
            #expect(Set(file.sections.map(\.heading)).count == file.sections.count, "seed part \(part), input \(bytes)")
        }
    }
}
