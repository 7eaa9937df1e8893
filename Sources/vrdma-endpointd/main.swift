import Glibc
import Service
import Verbs

let commandLine = DaemonCommandLine(
    program: "vrdma-endpointd", version: VRDMAVersion.text,
    summary: "The virtual RDMA endpoint: carries out the work requests of all guests of this host.",
    defaultPath: "/etc/vrdma/endpoint.conf", closing: "See vrdma-endpointd(8) and vrdma-endpoint.conf(5).")

switch commandLine.read(CommandLine.arguments.dropFirst()) {
case .end(let status): exit(status)
case .check(let path): exit(EndpointDaemon.check(path))
case .serve(let path): exit(EndpointDaemon.serve(path))
}
