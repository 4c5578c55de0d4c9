# What gets out of a quota: the peak of resident memory over the baseline, as a multiple of the limit, for every
# known way to go over one. Each row has a VM of its own, inside a memory control group where one can be made.
#
#     MIX_ENV=prod mix run bench/escapes.exs [--runs 3] [--kind KIND] [--list] [FILTER ...]
#
# FILTER selects the rows whose name contains it. Exits with 1 when the median of a row is over the figure it is held
# to, when a row that counts returns, when one that must return does not, and when a VM dies or hangs.
# bench/escapes/row.exs says what a row consists of.

files =
  [Path.join(__DIR__, "control_group.exs")] ++
    Enum.map(~w(row data), &Path.join(__DIR__, "escapes/#{&1}.exs")) ++
    Enum.sort(Path.wildcard(Path.join(__DIR__, "escapes/rows/*.exs"))) ++
    Enum.map(~w(rows probe runner report table), &Path.join(__DIR__, "escapes/#{&1}.exs"))

compiled = Enum.flat_map(files, &Code.require_file/1)
System.halt(Bench.Escapes.Table.main(System.argv(), compiled))
