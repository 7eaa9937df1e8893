import Glibc
import Verbs

/// The drop-in libibverbs that a program gets instead of the system's.
struct DropInLibrary {
    /// The directory that holds it under the name by which programs ask for it.
    let directory: String
    /// The library itself.
    var path: String { "\(directory)/\(Self.name)" }

    private static let name = "libibverbs.so.1"
    /// Names in a build directory, and as programs ask for them.
    private static let builtNames = [("libibverbs.so", "libibverbs.so.1"), ("librdmacm.so", "librdmacm.so.1")]

    /// The library that belongs to this executable: installed beside it, or built with it.
    ///
    /// - Parameter scratchDirectory: where links may be made when the build directory cannot be written.
    static func find(scratchDirectory: String?) throws(ToolError) -> DropInLibrary {
        let here = FileSystem.directory(of: FileSystem.executablePath())
        for directory in ["\(here)/../lib/vrdma", here] where FileSystem.exists("\(directory)/\(name)") {
            return DropInLibrary(directory: absolute(directory))
        }
        guard FileSystem.exists("\(here)/\(builtNames[0].0)") else {
            throw ToolError(
                "the drop-in library is neither \(here)/../lib/vrdma/\(name) nor \(here)/\(builtNames[0].0); "
                    + "build it with scripts/build in the source tree, or install vRDMA with scripts/install")
        }
        var reason = Errno.noSuchFile
        for directory in ["\(here)/vrdma-drop-in", scratchDirectory.map { "\($0)/lib" }].compactMap(\.self) {
            do throws(Errno) {
                return try link(from: here, in: directory)
            } catch {
                reason = error
            }
        }
        throw ToolError("the drop-in library in \(here) cannot be linked under its name: \(reason)")
    }

    /// Makes links with the names that programs ask for.
    private static func link(from buildDirectory: String, in directory: String) throws(Errno) -> DropInLibrary {
        if mkdir(directory, 0o755) != 0, errno != EEXIST { throw .current }
        for (built, wanted) in builtNames where FileSystem.exists("\(buildDirectory)/\(built)") {
            let (target, path) = ("\(buildDirectory)/\(built)", "\(directory)/\(wanted)")
            if FileSystem.link(path) == target { continue }
            // Another `vrdma run` may be using the old link at this moment: it is replaced, never missing.
            let temporary = "\(path).\(getpid())"
            guard symlink(target, temporary) == 0 else { throw .current }
            guard rename(temporary, path) == 0 else { throw .current }
        }
        return DropInLibrary(directory: directory)
    }

    private static func absolute(_ path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
