# What gets out of a quota: the peak of resident memory over the baseline, as a multiple of the limit, for every
# known way to go over one. Each row has a VM of its own, inside a memory control group where one can be made.
#
#     MIX_ENV=prod mix run bench/escapes.exs [--runs 3] [--kind KIND] [--list] [FILTER ...]
#
# FILTER selects the rows whose name contains it. Exits with 1 when the median of a row is over the figure it is held
# to, when a row that counts returns, when one that must return does not, and when a VM dies or hangs.
# bench/escapes/row.exs says what a row consists of.

rows =
  Path.wildcard(Path.join(__DIR__, "escapes/rows/*.exs"))
  |> Enum.map(&Path.relative_to(&1, __DIR__))

compiled =
  for file <-
        ~w(control_group.exs vm.exs escapes/row.exs escapes/data.exs) ++
          rows ++ ~w(escapes/rows.exs escapes/probe.exs escapes/report.exs escapes/table.exs),
      module <- Code.require_file(file, __DIR__),
      do: module

System.halt(Bench.Escapes.Table.main(System.argv(), compiled))
