import CFuzzer

/// A decoder under test. `@main` on a type of this protocol makes it a program of libFuzzer.
package protocol FuzzTarget {
    /// Decodes one input. Whatever it is, this returns, soon, and no sanitizer complains.
    static func run(_ input: inout FuzzInput)
}

extension FuzzTarget {
    package static func main() {
        Fuzzing.target = Self.self
        var count = CommandLine.argc
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
        _ = LLVMFuzzerRunDriver(&count, &arguments) { testOneInput($0, $1) }
    }
}

private enum Fuzzing {
    /// Set before the first input, and never again.
    nonisolated(unsafe) static var target: (any FuzzTarget.Type)?
}

/// By this name libFuzzer's own `main`, which is linked but not used, calls a target.
@c(LLVMFuzzerTestOneInput)
public func testOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    var input = FuzzInput(UnsafeRawBufferPointer(start: data, count: size))
    Fuzzing.target?.run(&input)
    return 0
}
