// SEND and RECV between two programs, with tasks that await the completions.

import Glibc
import OutOfBand
import VRDMA

let role = Role(
    program: "vrdma-example-send-receive",
    about: "Sends messages to and fro and checks every byte; measures latency and bandwidth.")
do {
    switch role {
    case .server(let address): try await serve(at: address)
    case .client(let address): try await measure(at: address)
    }
} catch {
    complain("vrdma-example-send-receive: \(error)")
    exit(1)
}
