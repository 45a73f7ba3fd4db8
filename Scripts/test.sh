#!/usr/bin/env bash
# test.sh: unit tests and kernel tests, counted together in the last line: "N passed, N failed, N skipped".
#   test.sh [FILTER]      FILTER is handed to dotnet test, for example  ~Reach  (a part of the test's full name)
# Needs root for the namespaces of the kernel tests; asks sudo when started by somebody else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

Scripts/install-deps.sh
make --no-print-directory build
PVPN_OUT=$PWD/out
export PVPN_OUT

as_root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "test: the kernel tests need root, and sudo is not installed" >&2; exit 1; }
    # shellcheck disable=SC2054
    as_root=(sudo --preserve-env=PVPN_OUT,DOTNET_ROOT,NUGET_PACKAGES env "PATH=$PATH" "HOME=$HOME")
fi

results=$PWD/TestResults
"${as_root[@]}" rm -rf "$results"
broken=0
for project in tests/Unit tests/Kernel; do
    name=$(basename "$project")
    dotnet build "$project" -v quiet --nologo
    run=(dotnet test "$project" --no-build --nologo -v quiet --results-directory "$results/$name"
         --logger "trx;LogFileName=$name.trx" --logger "console;verbosity=minimal")
    [ $# -eq 0 ] || run+=(--filter "FullyQualifiedName$1")
    run+=(-- RunConfiguration.TestSessionTimeout=2400000)
    if [ "$name" = Kernel ]; then run=("${as_root[@]}" "${run[@]}"); fi
    "${run[@]}" || broken=1
    [ -s "$results/$name/$name.trx" ] || { echo "test: $project left no results; it did not run to its end" >&2; broken=1; }
done

# <Counters total="3" executed="3" passed="3" failed="0" .../> of each run
counter() { # NAME: the sum over all runs
    cat "$results"/*/*.trx /dev/null 2>/dev/null | awk -v name=" $1=\"" '
        /<Counters / && (at = index($0, name)) { sum += substr($0, at + length(name)) + 0 }
        END { print sum + 0 }' || true
}
total=$(counter total) passed=$(counter passed) failed=$(counter failed)
failed=$((failed + $(counter error) + $(counter timeout) + $(counter aborted)))
skipped=$((total - passed - failed))
[ "$total" -gt 0 ] || { echo "test: no test ran" >&2; broken=1; }
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$broken" -eq 0 ]
