import Testing

/// The folders of Sources/ and what they import, against the table of docs/architecture.md.
struct LayerTests {
    @Test func everyFolderIsListed() throws {
        let listed = try ArchitectureTable.load().rows.map(\.folder)
        #expect(Set(listed).count == listed.count, "a folder is listed twice")
        #expect(try Set(Repository.names(in: "Sources")) == Set(listed))
    }

    @Test func importsArePermitted() throws {
        let table = try ArchitectureTable.load()
        var fileCount = 0
        for row in table.rows {
            let permitted = row.imports.union(row.systemImports)
            for path in try Repository.swiftFiles(in: "Sources/\(row.folder)") {
                fileCount += 1
                for (module, line) in SwiftCode(try Repository.text(path) ?? "").imports
                where !permitted.contains(module) {
                    Issue.record("\(path):\(line): \(row.folder) may not import \(module)")
                }
            }
        }
        #expect(fileCount > 100)
    }

    /// The order of the table is the order of the layers: a folder imports only those above it.
    @Test func importsPointUpwards() throws {
        let rows = try ArchitectureTable.load().rows
        let folders = Set(rows.map(\.folder))
        var above: Set<String> = []
        for row in rows {
            let below = row.imports.intersection(folders).subtracting(above)
            #expect(below.isEmpty, "\(row.folder) imports what stands below it: \(below.sorted())")
            above.insert(row.folder)
        }
    }

    /// What an application loads, and what the data path consists of, stays free of it.
    @Test(arguments: [
        "Verbs", "Tables", "LinuxIO", "SharedMemory", "MemoryTranslation", "Endpoint", "Provider", "IBVerbsDropIn",
        "VRDMA",
    ])
    func staysWithoutFoundation(folder: String) throws {
        let row = try #require(try ArchitectureTable.load()[folder])
        #expect(row.systemImports.isDisjoint(with: ["Foundation", "FoundationEssentials"]))
    }

    @Test func unsafePointersStandWhereTheyMay() throws {
        for row in try ArchitectureTable.load().rows {
            for path in try Repository.swiftFiles(in: "Sources/\(row.folder)") {
                let file = path.split(separator: "/").last.map(String.init) ?? path
                switch row.unsafe {
                case .everywhere: continue
                case .files(let files) where files.contains(file): continue
                case .files, .nowhere, .notSwift: break
                }
                for name in SwiftCode(try Repository.text(path) ?? "").names where Self.isUnsafe(name.text) {
                    Issue.record("\(path):\(name.line): \(name.text) may not stand here")
                }
            }
        }
    }

    /// Exceptions that nothing needs any more are taken out of the table.
    @Test func unsafeFilesAreStillUnsafe() throws {
        for row in try ArchitectureTable.load().rows {
            guard case .files(let files) = row.unsafe else { continue }
            let paths = try Repository.swiftFiles(in: "Sources/\(row.folder)")
            for file in files {
                let path = try #require(
                    paths.first { $0.hasSuffix("/\(file)") }, "there is no \(file) in \(row.folder)")
                let names = SwiftCode(try Repository.text(path) ?? "").names
                #expect(names.contains { Self.isUnsafe($0.text) }, "\(path) has no unsafe pointer any more")
            }
        }
    }

    private static func isUnsafe(_ name: String) -> Bool {
        name.hasPrefix("Unsafe") && name.hasSuffix("Pointer")
            || ["OpaquePointer", "Unmanaged", "unsafeBitCast"].contains(name)
    }
}
