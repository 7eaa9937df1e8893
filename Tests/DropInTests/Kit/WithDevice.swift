import Testing

/// Everything that starts an endpoint: one test after the other, because each brings threads that poll.
@Suite(.serialized) enum WithDevice {}
