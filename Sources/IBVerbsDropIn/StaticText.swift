/// The characters of a string literal, for a C caller that keeps the pointer.
func staticText(_ text: StaticString) -> UnsafePointer<CChar> {
    UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}

/// An entry of a table of literals, by a number of the C caller's.
func staticText(_ texts: [StaticString], at index: Int64) -> UnsafePointer<CChar> {
    guard let position = Int(exactly: index), texts.indices.contains(position) else { return staticText("unknown") }
    return staticText(texts[position])
}
