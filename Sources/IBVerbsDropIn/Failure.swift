import Glibc
import Verbs

// How the functions of libibverbs say that they failed: by their result and, always, by errno.

/// For a function that returns the errno value.
func failing(_ error: Errno) -> CInt {
    errno = error.rawValue
    return error.rawValue
}

/// For a function that has a result of its own for failures.
func failing<Result>(_ error: Errno, with result: Result) -> Result {
    errno = error.rawValue
    return result
}
