
namespace PersonalVpn.Kernel.Lab.Suites;

// Each suite in different ways of finding owners and of injecting at the server; nothing but the variant differs. What
// depends on both runs in all four, the rest in two, so that each value of each setting passes everything.

[Collection(KernelRaw.Name)] public sealed class ReachKernelRaw(KernelRawLab lab) : ReachTests(lab);
[Collection(KernelTun.Name)] public sealed class ReachKernelTun(KernelTunLab lab) : ReachTests(lab);
[Collection(ProcfsRaw.Name)] public sealed class ReachProcfsRaw(ProcfsRawLab lab) : ReachTests(lab);
[Collection(ProcfsTun.Name)] public sealed class ReachProcfsTun(ProcfsTunLab lab) : ReachTests(lab);

[Collection(KernelRaw.Name)] public sealed class SameServerKernelRaw(KernelRawLab lab) : SameServerTests(lab);
[Collection(KernelTun.Name)] public sealed class SameServerKernelTun(KernelTunLab lab) : SameServerTests(lab);
[Collection(ProcfsRaw.Name)] public sealed class SameServerProcfsRaw(ProcfsRawLab lab) : SameServerTests(lab);
[Collection(ProcfsTun.Name)] public sealed class SameServerProcfsTun(ProcfsTunLab lab) : SameServerTests(lab);

[Collection(KernelRaw.Name)] public sealed class TransferKernelRaw(KernelRawLab lab) : TransferTests(lab);
[Collection(KernelTun.Name)] public sealed class TransferKernelTun(KernelTunLab lab) : TransferTests(lab);
[Collection(ProcfsRaw.Name)] public sealed class TransferProcfsRaw(ProcfsRawLab lab) : TransferTests(lab);
[Collection(ProcfsTun.Name)] public sealed class TransferProcfsTun(ProcfsTunLab lab) : TransferTests(lab);

[Collection(KernelTun.Name)] public sealed class WireKernelTun(KernelTunLab lab) : WireTests(lab);
[Collection(ProcfsRaw.Name)] public sealed class WireProcfsRaw(ProcfsRawLab lab) : WireTests(lab);

[Collection(KernelTun.Name)] public sealed class AttackKernelTun(KernelTunLab lab) : AttackTests(lab);
[Collection(ProcfsRaw.Name)] public sealed class AttackProcfsRaw(ProcfsRawLab lab) : AttackTests(lab);

[Collection(KernelTun.Name)] public sealed class CrashKernelTun(KernelTunLab lab) : CrashTests(lab);
[Collection(ProcfsRaw.Name)] public sealed class CrashProcfsRaw(ProcfsRawLab lab) : CrashTests(lab);

[Collection(KernelTun.Name)] public sealed class SurvivalKernelTun(KernelTunLab lab) : SurvivalTests(lab);
[Collection(KernelRaw.Name)] public sealed class SurvivalKernelRaw(KernelRawLab lab) : SurvivalTests(lab);
