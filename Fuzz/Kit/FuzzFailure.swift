import Glibc

/// Ends the process as a crash, with a reason: libFuzzer keeps the input.
package func fuzzFailure(_ reason: String) -> Never {
    let line = Array("fuzz: \(reason)\n".utf8)
    _ = write(STDERR_FILENO, line, line.count)
    abort()
}
