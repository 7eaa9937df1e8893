@main
enum AdapterProbe {
    static func main() {}
}
