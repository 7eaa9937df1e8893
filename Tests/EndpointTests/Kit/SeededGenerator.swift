// The generator and its helpers, for every file of this target.
@_exported import TestKit
