import OutOfBand
import Service

/// From the command line to a measurement, and from its result to what is printed.
enum BenchCommands {
    static func run(_ arguments: CommandLineArguments) throws {
        switch arguments.command {
        case "server": try serve(arguments)
        case "client": show(try measure(arguments), arguments)
        case "idle":
            show(
                try IdleMeasurement(
                    guestCount: try arguments.number("guests", 1...1000, default: 100),
                    queuePairCount: try arguments.number("queue-pairs", 1...16_000, default: 1000),
                    durationMilliseconds: try duration(arguments)
                ).run(), arguments)
        case "manyqp":
            show(
                try ManyQueuePairsMeasurement(
                    idleCount: try arguments.number("idle", 0...32_000, default: 10_000),
                    durationMilliseconds: try duration(arguments)
                ).run(), arguments)
        case "register":
            show(
                try RegisterMeasurement(
                    byteCount: try arguments.number("size", 1...(1 << 32), default: 1 << 20)
                ).run(), arguments)
        case "connect":
            show(
                try ConnectMeasurement(
                    queuePairCount: try arguments.number("queue-pairs", 2...16_000, default: 1000)
                ).run(), arguments)
        default: throw BenchError("unknown command '\(arguments.command)'")
        }
    }

    private static func serve(_ arguments: CommandLineArguments) throws {
        let port = try arguments.required("port")
        let host = arguments.value(of: "host") ?? "127.0.0.1"
        var other = try OutOfBandConnection.accept(at: "\(host):\(port)")
        let plan = try other.receive(TestPlan.self)
        let side = try TestSide(plan)
        let peer = try side.connect(&other)
        try TestServer(plan: plan, side: side, peer: peer).run(&other)
    }

    private static func measure(_ arguments: CommandLineArguments) throws -> Report {
        let plan = try TestPlan(arguments)
        var other = try OutOfBandConnection.connect(to: try arguments.required("connect"))
        try other.send(plan)
        let side = try TestSide(plan)
        let peer = try side.connect(&other)
        return try TestClient(plan: plan, side: side, peer: peer).run(&other)
    }

    static func duration(_ arguments: CommandLineArguments) throws(BenchError) -> Int {
        try arguments.number("duration-ms", 1...600_000, default: 1000)
    }

    private static func show(_ report: Report, _ arguments: CommandLineArguments) {
        print(arguments.contains("json") ? report.json : report.text)
    }
}
