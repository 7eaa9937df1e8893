/// The environment in which a verbs program finds the drop-in library and its guest driver.
struct VerbsEnvironment {
    /// The variables to set.
    let variables: [(name: String, value: String)]
    /// Why the library is not preloaded although that was asked for.
    let warning: String?

    /// - Parameters:
    ///   - preload: also name the library in `LD_PRELOAD`, for programs whose own search path comes first.
    init(library: DropInLibrary, guestSocketPath: String, preload: Bool) {
        var variables = [
            ("VRDMA_GUEST_SOCKET", guestSocketPath),
            ("LD_LIBRARY_PATH", Self.prepending(library.directory, to: "LD_LIBRARY_PATH")),
        ]
        // ld.so(8) separates the entries by blanks and colons and offers no way to quote them.
        let isPlain = !library.path.contains { " :;".contains($0) }
        if preload, isPlain { variables.append(("LD_PRELOAD", Self.prepending(library.path, to: "LD_PRELOAD"))) }
        self.variables = variables
        warning =
            isPlain
            ? nil : "the path \(library.path) contains a blank or a colon, which the dynamic linker cannot handle"
    }

    private static func prepending(_ entry: String, to name: String) -> String {
        guard let old = ProcessEnvironment.value(name) else { return entry }
        let others = old.split(separator: ":").filter { $0 != entry }
        return ([entry] + others.map(String.init)).joined(separator: ":")
    }
}
