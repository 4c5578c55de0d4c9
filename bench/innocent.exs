# Honest work that is stopped: kinds of work that hold at most a third of their limit, 200 runs each, each kind in a VM
# of its own. None may be stopped, and none reported.
#
#     MIX_ENV=prod mix run bench/innocent.exs [--runs 200] [--list] [FILTER ...]
#
# FILTER selects the kinds whose name contains it. Exits with 1 when work was stopped that no guide says is stopped.
# bench/innocent/kind.exs says what a kind consists of.

kinds =
  Path.wildcard(Path.join(__DIR__, "innocent/kinds/*.exs"))
  |> Enum.map(&Path.relative_to(&1, __DIR__))

compiled =
  for file <-
        ~w(control_group.exs vm.exs innocent/kind.exs innocent/work.exs innocent/telemetry.exs) ++
          kinds ++ ~w(innocent/kinds.exs innocent/probe.exs innocent/table.exs),
      module <- Code.require_file(file, __DIR__),
      do: module

System.halt(Bench.Innocent.Table.main(System.argv(), compiled))
