using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using PersonalVpn.Kernel.Support;
using PersonalVpn.Linux;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Kernel.Linux;

/// <summary>
/// The C compiler and the system's headers judge our structures and constants: C with static assertions is written from the
/// declarations in Forwarder/Linux and compiled. One file per set of headers, as some of them cannot be included together.
/// </summary>
public class AbiTests
{
    private const BindingFlags All = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance;
    private static readonly Type[] s_types = typeof(LinuxSocket).Assembly.GetTypes();

    [Fact]
    public void Structures_and_constants_are_those_of_the_C_headers()
    {
        Dictionary<string, StringBuilder> files = [];
        int assertions = 0;
        foreach (Type type in s_types)
        {
            if (type.GetCustomAttribute<CStructAttribute>() is CStructAttribute s) assertions += WriteStruct(File(files, s.Headers), type, s.Name);
            if (type.GetCustomAttribute<CConstantsAttribute>() is CConstantsAttribute c) assertions += WriteConstants(File(files, c.Headers), type);
        }

        Assert.True(assertions > 300, $"only {assertions} assertions were found");
        string directory = Directory.CreateTempSubdirectory("pvpn-abi").FullName;
        try
        {
            List<string> paths = [];
            foreach (StringBuilder text in files.Values)
            {
                string path = Path.Combine(directory, $"abi{paths.Count.ToString(CultureInfo.InvariantCulture)}.c");
                System.IO.File.WriteAllText(path, text.ToString());
                paths.Add(path);
            }

            Shell.Exec(60_000, ["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-fsyntax-only", "-w", "-fmax-errors=20", .. paths]);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Fact]
    public void A_wrong_assertion_is_noticed()
    {
        string path = Path.GetTempFileName() + ".c";
        System.IO.File.WriteAllText(path, "#include <linux/netlink.h>\n_Static_assert(sizeof(struct nlmsghdr) == 17, \"x\");\n");
        try
        {
            Assert.Throws<InvalidOperationException>(() => Shell.Exec(30_000, "gcc", "-fsyntax-only", path));
        }
        finally
        {
            System.IO.File.Delete(path);
        }
    }

    [Fact]
    public void Every_structure_and_constant_class_is_checked()
    {
        foreach (Type type in s_types)
        {
            bool abi = type.Namespace == typeof(CStructAttribute).Namespace && !typeof(Attribute).IsAssignableFrom(type)
                && !type.IsNested && !type.IsDefined(typeof(System.Runtime.CompilerServices.CompilerGeneratedAttribute), false);
            if (!abi) continue;
            Assert.True(
                type.IsDefined(typeof(CStructAttribute)) || type.IsDefined(typeof(CConstantsAttribute)),
                $"{type.Name} lies among the ABI declarations and names no C original");
        }
    }

    private static StringBuilder File(Dictionary<string, StringBuilder> files, IReadOnlyList<string> headers)
    {
        string key = string.Join(' ', headers);
        if (!files.TryGetValue(key, out StringBuilder? text))
        {
            text = files[key] = new StringBuilder("#include <stddef.h>\n");
            foreach (string header in headers) text.Append("#include <").Append(header).Append(">\n");
        }

        return text;
    }

    private static int WriteStruct(StringBuilder text, Type type, string name)
    {
        Check(text, $"sizeof({name}) == {Marshal.SizeOf(type)}", type.Name);
        int count = 1;
        foreach (FieldInfo field in type.GetFields(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance))
        {
            string cName = field.GetCustomAttribute<CFieldAttribute>()?.Name ?? field.Name;
            if (cName.Length == 0) continue;
            Check(text, $"offsetof({name}, {cName}) == {Marshal.OffsetOf(type, field.Name)}", $"{type.Name}.{field.Name}");
            Check(text, $"sizeof((({name} *)0)->{cName}) == {SizeOf(field)}", $"size of {type.Name}.{field.Name}");
            count += 2;
        }

        return count;
    }

    private static int SizeOf(FieldInfo field)
    {
        if (field.GetCustomAttribute<System.Runtime.CompilerServices.FixedBufferAttribute>() is { } buffer)
            return Marshal.SizeOf(buffer.ElementType) * buffer.Length;
        return field.FieldType == typeof(nint) || field.FieldType == typeof(nuint) ? nint.Size : Marshal.SizeOf(field.FieldType);
    }

    private static int WriteConstants(StringBuilder text, Type type)
    {
        int count = 0;
        foreach (FieldInfo field in type.GetFields(All))
        {
            if (!field.IsLiteral) continue;
            string expression = field.GetCustomAttribute<CExpressionAttribute>()?.Expression ?? field.Name;
            string value = Convert.ToString(field.GetRawConstantValue(), CultureInfo.InvariantCulture)!;
            string suffix = value[0] == '-' ? "LL" : "ULL";

            // 32 bits are compared: some headers give their unsigned values a signed type.
            Check(text, $"(unsigned int)({expression}) == (unsigned int)({value}{suffix})", field.Name);
            count++;
        }

        return count;
    }

    private static void Check(StringBuilder text, string condition, string name) =>
        text.Append("_Static_assert(").Append(condition).Append(", \"").Append(name).Append("\");\n");
}
