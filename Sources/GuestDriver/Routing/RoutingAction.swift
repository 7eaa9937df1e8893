import CVRDMAABI
import Verbs

/// What to do with an application's command.
package enum CommandAction {
    /// Pass it on to the endpoint, with the descriptors that came with it.
    case forward(vrdma_message)
    /// Answer the application at once; the endpoint has nothing to do with it.
    case answer(vrdma_message)
}

/// What to do with a message of the endpoint.
package enum CompletionAction {
    /// Give the reply to its application.
    case answer(ApplicationIdentifier, vrdma_message)
    /// Give the event to the asynchronous event sockets of these applications.
    case deliver(vrdma_async_event, [ApplicationIdentifier])
    /// Pass a command of the guest driver's own on to the endpoint.
    case forward(vrdma_message)
    /// Nobody waits for it any more.
    case ignore
    /// The endpoint broke the protocol, in this way.
    case violation(String)
}

/// What follows from the loss of the endpoint.
package struct EndpointLoss {
    /// The replies to the commands that were under way.
    package var answers: [(application: ApplicationIdentifier, message: vrdma_message)] = []
    /// The applications whose device is gone.
    package var applications: [ApplicationIdentifier] = []
}
