import Testing

/// The look at source code that the other tests of this target rely on.
struct SwiftCodeTests {
    @Test func commentsAndStrings() {
        let code = SwiftCode(
            """
            let a = "fatalError(" // try! x
            /* as! /* nested */ b! */ let b = #"c! \\(d!)"#
            let c = "x \\(f("y!") + g!) z!"
            """)
        #expect(code.lines.count == 3)
        #expect(!code.names.contains { $0.text == "fatalError" || $0.text == "nested" })
        #expect(code.forcedLines == [3])
    }

    @Test(arguments: ["x!", "x!.y", "f()!", "a[1]!", "try! f()", "a as! B", "var a: Int!", "x! == 1", "x!!", "\"\"!"])
    func forced(line: String) {
        #expect(SwiftCode(line).forcedLines == [1])
    }

    @Test(arguments: ["!x", "a != b", "a !== b", "a!=b", "(!x)", "f(!x, y: !z)", "[!a]", "if !a, !b {", "{ !$0 }"])
    func notForced(line: String) {
        #expect(SwiftCode(line).forcedLines.isEmpty)
    }

    @Test func imports() {
        let code = SwiftCode(
            """
            import A
            @_exported import B
            @testable package import struct C.D
                import E // in a condition
            // import F
            let text = "import G"
            let important = 1
            """)
        #expect(code.imports.map(\.module) == ["A", "B", "C", "E"])
        #expect(code.imports.map(\.line) == [1, 2, 3, 4])
    }

    @Test func names() {
        let names = SwiftCode("device.print(x) + print (y)").names
        #expect(names.map(\.text) == ["device", "print", "x", "print", "y"])
        #expect(names[1].isPreceded(by: ".") && names[1].isFollowed(by: "("))
        #expect(!names[3].isPreceded(by: "."))
    }
}
