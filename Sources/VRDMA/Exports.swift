@_exported import Verbs
