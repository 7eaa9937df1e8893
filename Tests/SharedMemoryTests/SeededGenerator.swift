// The generator, for every file of this target.
@_exported import TestKit
