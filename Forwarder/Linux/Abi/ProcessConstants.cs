namespace PersonalVpn.Linux.Abi;

/// <summary>spawn.h: what a new process begins with.</summary>
[CConstants("spawn.h")]
internal static class SpawnH
{
    internal const short POSIX_SPAWN_SETSIGDEF = 0x04;
    internal const short POSIX_SPAWN_SETSIGMASK = 0x08;

    [CExpression("(int)sizeof(posix_spawn_file_actions_t) <= 512")]
    internal const int FileActionsFit = 1;

    [CExpression("(int)sizeof(posix_spawnattr_t) <= 512")]
    internal const int AttributesFit = 1;

    [CExpression("(int)sizeof(sigset_t) <= 512")]
    internal const int SignalSetFits = 1;
}

/// <summary>signal.h.</summary>
[CConstants("signal.h")]
internal static class SignalH
{
    internal const int SIGHUP = 1;
    internal const int SIGINT = 2;
    internal const int SIGQUIT = 3;
    internal const int SIGKILL = 9;
    internal const int SIGPIPE = 13;
    internal const int SIGTERM = 15;
}

/// <summary>sys/wait.h.</summary>
[CConstants("sys/wait.h")]
internal static class WaitH
{
    internal const int WNOHANG = 1;
}

/// <summary>sys/syscall.h: calls that older C libraries have no function for.</summary>
[CConstants("sys/syscall.h")]
internal static class SyscallH
{
    internal const int SYS_pidfd_open = 434;
    internal const int SYS_pidfd_getfd = 438;
}
