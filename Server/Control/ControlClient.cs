using System.Text.Json;
using PersonalVpn.Linux;

namespace PersonalVpn.Server.Control;

/// <summary>Asks a running server, for the subcommands.</summary>
internal static class ControlClient
{
    public static ServerReply Ask(string path, ServerRequest request)
    {
        using LinuxSocket socket = LinuxSocket.ConnectUnix(path);
        socket.Send(JsonSerializer.SerializeToUtf8Bytes(request, ServerJson.Default.ServerRequest));
        var all = new MemoryStream();
        byte[] piece = new byte[1 << 16];
        while (socket.Receive(piece) is > 0 and int n) all.Write(piece, 0, n);
        return JsonSerializer.Deserialize(all.ToArray(), ServerJson.Default.ServerReply) ?? new ServerReply("no answer", null, 0);
    }
}
