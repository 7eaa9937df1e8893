import Foundation
import Testing

/// Rules about the text of the sources.
struct SourceRuleTests {
    /// Files that are generated may be longer than others.
    private static let generated: Set = ["Sources/IBVerbsDropIn/Unsupported.swift"]
    /// Programs for people, and the answers to --help, --version and --check of the daemons.
    private static let printing = [
        "Sources/vrdma/", "Sources/vrdma-bench/", "Sources/Service/Daemon/DaemonCommandLine.swift",
    ]

    private static func sources() throws -> [(path: String, code: SwiftCode)] {
        try Repository.swiftFiles(in: "Sources").map { ($0, SwiftCode(try Repository.text($0) ?? "")) }
    }

    /// Nothing ends the process. Tables may, when it reserves address space of a configured size at start-up; and a
    /// program's access to its own buffer is checked as that of an array is.
    @Test func nothingTrapsOnPurpose() throws {
        let traps: Set = ["fatalError", "preconditionFailure", "precondition", "assert", "assertionFailure", "abort"]
        let permitted = [
            "Sources/Tables/": "fatalError", "Sources/VRDMA/Memory/RegisteredBuffer+Access.swift": "precondition",
        ]
        for (path, code) in try Self.sources() {
            for name in code.names where traps.contains(name.text) && name.isFollowed(by: "(") {
                if name.isPreceded(by: ".") || permitted.contains(where: { path.hasPrefix($0) && name.text == $1 }) {
                    continue
                }
                Issue.record("\(path):\(name.line): \(name.text)(")
            }
        }
    }

    /// A function that implements one of C's headers has that one's result, which is imported as implicitly unwrapped.
    @Test func nothingIsForced() throws {
        for (path, code) in try Self.sources() {
            for line in code.forcedLines {
                let text = code.lines[line - 1]
                let isResultOfC = text.contains("-> Unsafe") && text.hasSuffix(">! {") && text.count { $0 == "!" } == 1
                if path.hasPrefix("Sources/IBVerbsDropIn/"), isResultOfC { continue }
                Issue.record("\(path):\(line): a force unwrap, try!, as! or an implicitly unwrapped type")
            }
        }
    }

    /// Daemons and libraries write to their log only: their output belongs to somebody else.
    @Test func onlyProgramsForPeoplePrint() throws {
        for (path, code) in try Self.sources() where !Self.printing.contains(where: path.hasPrefix) {
            for name in code.names
            where ["print", "debugPrint", "dump"].contains(name.text) && name.isFollowed(by: "(")
                && !name.isPreceded(by: ".") && !code.lines[name.line - 1].contains("case print(")
            {
                Issue.record("\(path):\(name.line): \(name.text)(")
            }
        }
    }

    @Test func filesAreShort() throws {
        for path in try Repository.swiftFiles(in: "Sources") where !Self.generated.contains(path) {
            let count = (try Repository.text(path) ?? "").utf8.count { $0 == UInt8(ascii: "\n") }
            #expect(count <= 300, "\(path) has \(count) lines")
        }
    }

    /// No path of a developer's machine stands anywhere.
    @Test func pathsAreNobodys() throws {
        // In parts, so that this file does not find itself.
        let roots = ["home", "Users", "root", "work"].map { "/" + $0 + "/" }
        let folders = try Repository.names(in: ".").filter { !$0.hasPrefix(".") || $0 == ".ci" }
        let paths = try folders.flatMap { Repository.isFolder($0) ? try Repository.files(in: $0) : [$0] }
        for path in paths {
            guard let text = try Repository.text(path), roots.contains(where: text.contains) else { continue }
            for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
                for root in roots {
                    // The start of a path, not the middle of a longer one.
                    let pieces = line.components(separatedBy: root)
                    let isFound = pieces.dropLast().contains { piece in
                        guard let last = piece.last else { return true }
                        return !(last.isLetter || last.isNumber || "._-}/~*".contains(last))
                    }
                    if isFound { Issue.record("\(path):\(number + 1): \(root)") }
                }
            }
        }
        #expect(paths.count > 100)
    }
}
