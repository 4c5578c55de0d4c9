# A node in a control group of 256 MiB, under load and attacked in every way that it is built to stand.
#
#     MIX_ENV=prod mix run bench/chaos.exs [--seconds 120] [--seed 1] [--without ATTACK]
#
# Exits with 1 when the VM dies or hangs, when a request gets a wrong answer, and when anything is left at the end: an account, a
# process, a monitor, a trace flag, a table's row, a message, or more than 10 % of resident memory over the start, without
# what the VM's allocators keep unused.
# bench/README.md says what runs there and what attacks it.

parts = ~w(clock names requests balloons clients victims attacks peer operator left node table)

compiled =
  for file <- ["control_group.exs", "vm.exs" | Enum.map(parts, &"chaos/#{&1}.exs")],
      module <- Code.require_file(file, __DIR__),
      do: module

System.halt(Bench.Chaos.Table.main(System.argv(), compiled))
