# Steady load for hours, and then short runs by the million: nothing may grow.
#
#     MIX_ENV=prod mix run bench/soak.exs [--minutes 120] [--runs 10000000] [--chart FILE.svg]
#
# The node runs in a control group of 256 MiB. Every request and balloon of `bench/chaos` is asked for, without attacks. Resident memory and what
# the VM and the library account for are sampled each second, and drawn. Exits with 1 when an answer was wrong, when the medians of the
# last quarter are more than 5 % above those of the second, or when atoms, nodes, persistent terms or tables have grown with the runs.

parts =
  ~w(chaos/names chaos/requests chaos/balloons chaos/clients pool/chart soak/node soak/table)

compiled =
  for file <- ~w(control_group.exs vm.exs) ++ Enum.map(parts, &"#{&1}.exs"),
      module <- Code.require_file(file, __DIR__),
      do: module

System.halt(Bench.Soak.Table.main(System.argv(), compiled))
