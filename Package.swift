// swift-tools-version: 6.2
// vRDMA: RDMA for every Linux process, container and virtual machine.
//
// The order of the targets is the order of the layers: a target imports only targets above it.
// docs/architecture.md explains each in one line; Tests/ArchitectureTests enforces the graph.

import PackageDescription

let swiftSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
]

let cSettings: [CSetting] = [
    .unsafeFlags(["-Wall", "-Wextra", "-Werror"])
]

func library(_ name: String, _ dependencies: [Target.Dependency] = [], path: String? = nil) -> Target {
    .target(name: name, dependencies: dependencies, path: path, swiftSettings: swiftSettings)
}

func executable(_ name: String, _ dependencies: [Target.Dependency], path: String? = nil) -> Target {
    .executableTarget(name: name, dependencies: dependencies, path: path, swiftSettings: swiftSettings)
}

func test(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

let dropInLinkerSettings: [LinkerSetting] = [
    .unsafeFlags([
        "-static-stdlib",
        "-Xlinker", "--version-script=\(Context.packageDirectory)/Sources/IBVerbsDropIn/libibverbs.map",
        "-Xlinker", "-soname=libibverbs.so.1",
    ])
]

/// The targets of scripts/fuzz; see Fuzz/README.md.
let fuzzing: [Target] =
    Context.environment["VRDMA_FUZZ"] != "1"
    ? []
    : [
        .target(name: "CFuzzer", path: "Fuzz/CFuzzer", cSettings: cSettings),
        library("FuzzKit", ["CFuzzer", "LinuxIO", "Verbs"], path: "Fuzz/Kit"),
        library(
            "FuzzDevice",
            ["CVRDMAABI", "Verbs", "LinuxIO", "SharedMemory", "Endpoint", "HostSimulation", "FuzzKit"],
            path: "Fuzz/Device"),
        fuzzer("Hello", ["EndpointRuntime", "Service"]),
        fuzzer("Channel", ["EndpointRuntime"]),
        fuzzer("Commands", ["FuzzDevice"]),
        fuzzer("Queues", ["FuzzDevice"]),
        fuzzer("HostCommands", ["FuzzDevice"]),
        fuzzer("HostQueues", ["FuzzDevice"]),
        fuzzer("Doorbells", ["Endpoint", "FuzzDevice"]),
        fuzzer("Configuration", ["Endpoint", "EndpointRuntime", "Service"]),
        fuzzer("Applications", ["GuestDriver"]),
        fuzzer("EndpointReplies", ["GuestDriver"]),
        fuzzer("ProviderReplies", ["Provider", "Service"]),
        fuzzer("CommandLine", ["Service"]),
        fuzzer("DeviceEvents", ["VerbsAdapter"]),
    ]

func fuzzer(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    let common: [Target.Dependency] = ["FuzzKit", "CVRDMAABI", "Verbs", "LinuxIO", "SharedMemory"]
    return .executableTarget(
        name: "Fuzz\(name)", dependencies: common + dependencies, path: "Fuzz/Targets/\(name)",
        swiftSettings: swiftSettings + [.unsafeFlags(["-parse-as-library"])])
}

let package = Package(
    name: "vRDMA",
    products: [
        .library(name: "VRDMA", targets: ["VRDMA"]),
        .library(name: "ibverbs", type: .dynamic, targets: ["IBVerbsDropIn"]),
        .executable(name: "vrdma-endpointd", targets: ["vrdma-endpointd"]),
        .executable(name: "vrdma-guestd", targets: ["vrdma-guestd"]),
        .executable(name: "vrdma", targets: ["vrdma"]),
        .executable(name: "vrdma-bench", targets: ["vrdma-bench"]),
        .executable(name: "vrdma-example-send-receive", targets: ["vrdma-example-send-receive"]),
        .executable(name: "vrdma-example-write-read", targets: ["vrdma-example-write-read"]),
    ],
    targets: [
        .target(name: "CVRDMAABI", cSettings: cSettings),
        .target(name: "CLinux", cSettings: cSettings),
        .systemLibrary(name: "CRDMAHeaders", providers: [.apt(["libibverbs-dev", "librdmacm-dev"])]),
        .systemLibrary(name: "CRDMACore", providers: [.apt(["libibverbs-dev"])]),
        .target(name: "CIBVerbsObjects", dependencies: ["CVRDMAABI"], cSettings: cSettings),
        .systemLibrary(name: "CSystemd", pkgConfig: "libsystemd", providers: [.apt(["libsystemd-dev"])]),

        library("Verbs"),
        library("Tables"),
        library("LinuxIO", ["CLinux", "Verbs"]),
        library("MemoryTranslation", ["Verbs", "Tables"]),
        library("SharedMemory", ["CVRDMAABI", "CLinux", "Verbs", "LinuxIO"]),
        library("Endpoint", ["CVRDMAABI", "CLinux", "Verbs", "Tables", "MemoryTranslation", "SharedMemory"]),
        library("Service", ["CSystemd", "Verbs", "LinuxIO"]),
        library("EndpointRuntime", ["CVRDMAABI", "Verbs", "LinuxIO", "SharedMemory", "Endpoint", "Service"]),
        library(
            "VerbsAdapter",
            ["CRDMACore", "CVRDMAABI", "CLinux", "Verbs", "Tables", "LinuxIO", "SharedMemory", "Endpoint"]),
        library("GuestDriver", ["CVRDMAABI", "Verbs", "LinuxIO", "SharedMemory", "Service"]),
        library("Provider", ["CVRDMAABI", "CLinux", "Verbs", "LinuxIO", "SharedMemory"]),
        library("VRDMA", ["CVRDMAABI", "CLinux", "Verbs", "LinuxIO", "SharedMemory", "Provider"]),
        .target(
            name: "IBVerbsDropIn",
            dependencies: [
                "CIBVerbsObjects", "CVRDMAABI", "CLinux", "Verbs", "LinuxIO", "SharedMemory",
                "Provider",
            ],
            exclude: ["libibverbs.map", "libibverbs.symbols"],
            swiftSettings: swiftSettings, linkerSettings: dropInLinkerSettings),

        executable("vrdma-endpointd", ["Endpoint", "EndpointRuntime", "Service", "VerbsAdapter"]),
        executable("vrdma-guestd", ["GuestDriver", "Service"]),
        executable("vrdma", ["CLinux", "Endpoint", "EndpointRuntime", "GuestDriver", "Service", "Verbs", "LinuxIO"]),
        executable("vrdma-bench", ["OutOfBand", "LinuxIO", "Service", "VRDMA"]),
        .target(name: "OutOfBand", path: "Examples/OutOfBand", swiftSettings: swiftSettings),
        executable("vrdma-example-send-receive", ["OutOfBand", "VRDMA"], path: "Examples/SendReceive"),
        executable("vrdma-example-write-read", ["OutOfBand", "VRDMA"], path: "Examples/WriteRead"),

        executable(
            "vrdma-verbs-probe",
            ["CRDMACore", "CVRDMAABI", "Verbs", "Tables", "LinuxIO", "SharedMemory", "Endpoint", "VerbsAdapter"],
            path: "Tests/VM/AdapterProbe"),

        .target(name: "TestKit", path: "Tests/TestKit", swiftSettings: swiftSettings),
        library(
            "ScriptedDevice", ["CVRDMAABI", "Verbs", "LinuxIO", "SharedMemory"],
            path: "Tests/ScriptedDevice"),
        library(
            "HostSimulation",
            ["TestKit", "CVRDMAABI", "Verbs", "Tables", "LinuxIO", "SharedMemory", "Endpoint"],
            path: "Tests/HostSimulation"),
        test("ArchitectureTests", []),
        test("VerbsTests", ["TestKit", "Verbs"]),
        test("TablesTests", ["TestKit", "Tables"]),
        test("LinuxIOTests", ["CLinux", "Verbs", "LinuxIO"]),
        test("MemoryTranslationTests", ["TestKit", "Verbs", "Tables", "MemoryTranslation"]),
        test("SharedMemoryTests", ["TestKit", "CVRDMAABI", "CLinux", "Verbs", "LinuxIO", "SharedMemory"]),
        test(
            "EndpointTests",
            [
                "TestKit", "HostSimulation", "CVRDMAABI", "CLinux", "Verbs", "Tables", "LinuxIO", "MemoryTranslation",
                "SharedMemory", "Endpoint",
            ]),
        test(
            "EndpointRuntimeTests",
            ["TestKit", "CVRDMAABI", "Verbs", "LinuxIO", "SharedMemory", "Endpoint", "Service", "EndpointRuntime"]),
        test(
            "VerbsAdapterTests",
            [
                "TestKit", "CRDMACore", "CVRDMAABI", "Verbs", "Tables", "LinuxIO", "SharedMemory", "Endpoint",
                "VerbsAdapter",
            ]),
        test("ServiceTests", ["TestKit", "Service"]),
        test("ToolTests", ["Verbs", "LinuxIO", "vrdma"]),
        test("ProviderTests", ["TestKit", "CVRDMAABI", "CLinux", "Verbs", "LinuxIO", "SharedMemory", "Provider"]),
        test(
            "VRDMATests",
            [
                "TestKit", "CVRDMAABI", "Verbs", "LinuxIO", "Provider", "Service", "EndpointRuntime", "GuestDriver",
                "VRDMA", "ScriptedDevice",
            ]),
        test(
            "DropInTests",
            [
                "CIBVerbsObjects", "CVRDMAABI", "Verbs", "LinuxIO", "Service", "EndpointRuntime", "GuestDriver",
                "ScriptedDevice",
            ]),
        test(
            "GuestDriverTests",
            ["TestKit", "CVRDMAABI", "Verbs", "LinuxIO", "SharedMemory", "Service", "GuestDriver"]),
    ] + fuzzing
)
