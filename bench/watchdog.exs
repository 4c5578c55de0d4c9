# A node that nobody marked, with `Quota.Watchdog` and without: kinds of balloons in a control group of 256 MiB, beside
# bystanders that answer every 5 ms.
#
#     MIX_ENV=prod mix run bench/watchdog.exs [--rounds 20] [--bare 3] [--rate 300] [FILTER ...]
#
# With `idle [SECONDS] [ROUNDS]` alone: what the watchdog costs on an idle node.
#
# `--rate` is the growth in MB/s. FILTER selects the kinds whose name contains it. Needs Linux and the right to make a control group.

compiled =
  for file <-
        ~w(control_group.exs vm.exs watchdog/idle.exs watchdog/kinds.exs watchdog/rounds.exs watchdog/table.exs),
      module <- Code.require_file(file, __DIR__),
      do: module

System.halt(
  case System.argv() do
    ["idle" | arguments] -> Bench.Watchdog.Idle.main(arguments, compiled)
    arguments -> Bench.Watchdog.Table.main(arguments, compiled)
  end
)
