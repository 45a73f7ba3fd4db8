using System.Runtime.InteropServices;

namespace PersonalVpn.Linux;

/// <content>Groups of an account (NSS).</content>
internal static unsafe partial class Native
{
    [LibraryImport(LibC, EntryPoint = "getgrouplist", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int GetGroupList(string user, uint primary, uint* groups, int* count);
}
