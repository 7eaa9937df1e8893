import Foundation

/// The files of this repository, found from the place of this one.
enum Repository {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path(percentEncoded: false)

    /// The names in a folder, sorted.
    static func names(in folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: root + folder).sorted()
    }

    static func isFolder(_ path: String) -> Bool {
        var isDirectory: ObjCBool = false
        return FileManager.default.fileExists(atPath: root + path, isDirectory: &isDirectory) && isDirectory.boolValue
    }

    /// All files under a folder, by their paths in the repository, sorted.
    static func files(in folder: String) throws -> [String] {
        try names(in: folder).flatMap { name in
            let path = "\(folder)/\(name)"
            guard !["__pycache__", ".build"].contains(name) else { return [String]() }
            return isFolder(path) ? try files(in: path) : [path]
        }
    }

    static func swiftFiles(in folder: String) throws -> [String] {
        try files(in: folder).filter { $0.hasSuffix(".swift") }
    }

    /// Nil for a file that is not text.
    static func text(_ path: String) throws -> String? {
        String(data: try Data(contentsOf: URL(filePath: root + path)), encoding: .utf8)
    }
}
