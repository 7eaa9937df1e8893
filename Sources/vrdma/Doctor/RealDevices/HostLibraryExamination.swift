/// The libraries and tools of rdma-core that real devices and soft-RoCE need.
struct HostLibraryExamination {
    let situation: HostSituation

    private static let library = "libibverbs.so.1"
    private static let providersPath = "/etc/libibverbs.d"
    private static let softRoCE = "rxe"
    private var files: SystemFiles { situation.files }

    func findings() -> [Finding] {
        guard let directory = libraryDirectory() else {
            return [
                situation.problem(
                    "libibverbs", "the system has no \(Self.library)", remedy: "apt-get install libibverbs1"), tool(),
            ]
        }
        let providers = Set(situation.devices.map { $0.provider }).compactMap(\.self).sorted()
        return [.ok("libibverbs", "\(directory)/\(Self.library)")]
            + (providers.isEmpty ? [Self.softRoCE] : providers).map { provider($0, directory) } + [tool()]
    }

    /// Where the system's own library is: the drop-in is nowhere here.
    private func libraryDirectory() -> String? {
        let bases = ["/usr/local/lib", "/usr/lib", "/lib", "/usr/lib64", "/lib64"]
        let directories = bases.flatMap { base in
            [base] + files.names(in: base).filter { $0.contains("-linux-") }.map { "\(base)/\($0)" }
        }
        return directories.first { files.exists("\($0)/\(Self.library)") }
    }

    private func provider(_ name: String, _ directory: String) -> Finding {
        let subject = "provider \(name)"
        let remedy = "apt-get install ibverbs-providers"
        guard isNamed(name) else {
            return situation.problem(subject, "no file in \(Self.providersPath) names it", remedy: remedy)
        }
        let file = files.names(in: "\(directory)/libibverbs").first { $0.hasPrefix("lib\(name)-rdmav") }
        guard let file else {
            return situation.problem(subject, "no library in \(directory)/libibverbs", remedy: remedy)
        }
        return .ok(subject, "\(directory)/libibverbs/\(file)")
    }

    /// Each file has lines `driver NAME`, where NAME may be a path without its end.
    private func isNamed(_ name: String) -> Bool {
        files.names(in: Self.providersPath).contains { file in
            (files.text("\(Self.providersPath)/\(file)") ?? "").split(whereSeparator: \.isNewline).contains { line in
                let words = line.split { $0 == " " || $0 == "\t" }
                guard words.count == 2, words[0] == "driver" else { return false }
                return words[1] == name || words[1].hasSuffix("/lib\(name)")
            }
        }
    }

    /// Makes devices of soft-RoCE.
    private func tool() -> Finding {
        let subject = "rdma tool"
        let directories = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"]
        if let path = directories.map({ "\($0)/rdma" }).first(where: files.exists) { return .ok(subject, path) }
        let detail = "not found; it makes soft-RoCE devices and shows links"
        let remedy = "apt-get install iproute2"
        let needsIt = situation.need == .configured && situation.configuredDevice == nil
        return needsIt ? .warn(subject, detail, remedy: remedy) : .info(subject, detail, remedy: remedy)
    }
}
