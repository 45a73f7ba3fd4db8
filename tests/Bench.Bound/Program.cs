using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

// The bound: one SslStream between two processes and nothing else, with the suite that the tunnel prefers. No packets,
// no owners, no headers. What a tunnel reaches beside it says what the rest of its path costs.
//   server ADDR PORT
//   client ADDR PORT SECONDS up|down [WRITE_SIZE]      prints JSON: mbps, bytes, cpu (seconds of this process)
const int DefaultWrite = 128 * 1024;

if (args is ["server", var serverAddress, var serverPort])
{
    await ServeAsync(EndPoint(serverAddress, serverPort));
    return 0;
}
if (args is ["client", var address, var port, var seconds, "up" or "down", ..])
{
    int write = args.Length > 5 ? int.Parse(args[5], CultureInfo.InvariantCulture) : DefaultWrite;
    await MeasureAsync(EndPoint(address, port), double.Parse(seconds, CultureInfo.InvariantCulture), args[4] == "up", write);
    return 0;
}
await Console.Error.WriteLineAsync("usage: server ADDR PORT | client ADDR PORT SECONDS up|down [WRITE_SIZE]");
return 2;

static IPEndPoint EndPoint(string address, string port) =>
    new(IPAddress.Parse(address), int.Parse(port, CultureInfo.InvariantCulture));

static CipherSuitesPolicy Suite() => new([TlsCipherSuite.TLS_AES_128_GCM_SHA256]);

static async Task ServeAsync(IPEndPoint at)
{
    using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    using X509Certificate2 certificate = new CertificateRequest("CN=bound", key, HashAlgorithmName.SHA256)
        .CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    TcpListener listener = new(at);
    listener.Start();
    await Console.Error.WriteLineAsync("bound: ready");
    while (true)
    {
        Socket socket = await listener.AcceptSocketAsync();
        try
        {
            await ServeOneAsync(socket, certificate);
        }
        catch (Exception e) when (e is IOException or SocketException or AuthenticationException)
        {
            await Console.Error.WriteLineAsync($"bound: a client ended: {e.Message}");
        }
    }
}

// The client's first byte says which way the data goes.
static async Task ServeOneAsync(Socket socket, X509Certificate2 certificate)
{
    socket.NoDelay = true;
    await using SslStream stream = new(new NetworkStream(socket, ownsSocket: true));
    await stream.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
    {
        ServerCertificate = certificate, EnabledSslProtocols = SslProtocols.Tls13, CipherSuitesPolicy = Suite(),
    });
    byte[] buffer = new byte[DefaultWrite];
    await stream.ReadExactlyAsync(buffer.AsMemory(0, 1));
    if (buffer[0] == (byte)'u')
        while (await stream.ReadAsync(buffer) > 0) { }
    else
        while (true) await stream.WriteAsync(buffer);
}

static async Task MeasureAsync(IPEndPoint to, double seconds, bool up, int size)
{
    using Socket socket = new(to.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    await socket.ConnectAsync(to);
    await using SslStream stream = new(new NetworkStream(socket), false, (_, certificate, _, _) => certificate?.Subject == "CN=bound");
    await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
    {
        TargetHost = "bound", EnabledSslProtocols = SslProtocols.Tls13, CipherSuitesPolicy = Suite(),
    });
    byte[] buffer = new byte[size];
    await stream.WriteAsync(up ? "u"u8.ToArray() : "d"u8.ToArray());
    TimeSpan before = Process.GetCurrentProcess().TotalProcessorTime;
    Stopwatch watch = Stopwatch.StartNew();
    long bytes = 0;
    while (watch.Elapsed.TotalSeconds < seconds)
    {
        if (up)
        {
            await stream.WriteAsync(buffer);
            bytes += buffer.Length;
        }
        else
        {
            bytes += await stream.ReadAsync(buffer);
        }
    }
    double elapsed = watch.Elapsed.TotalSeconds;
    double cpu = (Process.GetCurrentProcess().TotalProcessorTime - before).TotalSeconds;
    Console.WriteLine(FormattableString.Invariant($"{{\"mbps\":{bytes * 8 / elapsed / 1e6:F1},\"bytes\":{bytes},\"cpu\":{cpu:F3}}}"));
}
