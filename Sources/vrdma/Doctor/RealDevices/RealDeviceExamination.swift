/// Each step to an endpoint that runs on a real device or on soft-RoCE, in the order in which one takes them.
enum RealDeviceExamination {
    static func findings(_ files: SystemFiles = SystemFiles()) -> [Finding] {
        let situation = HostSituation(files)
        return HostKernelExamination(situation: situation).findings()
            + HostLibraryExamination(situation: situation).findings()
            + HostDeviceExamination(situation: situation).findings()
            + LockedMemoryExamination(situation: situation).findings()
    }
}
