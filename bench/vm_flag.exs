# The multiple m of the limit to which the VM's `max_heap_size` is set (`Bounded.Vm.times/0`), in both directions: honest work that
# holds many references to a binary, of 10 runs each, and work that hardly yields, by its peak of resident memory over the
# baseline, times the limit. `none` is the flag with `kill: false`: the guard, which every collection wakes, decides alone.
#
#     MIX_ENV=prod mix run bench/vm_flag.exs [M ...]
#
# Each figure comes from a VM of its own in a memory control group. It exits with 1 where a VM died.
defmodule Bench.VmFlag do
  alias Bench.Vm
  alias Bench.VmFlag.Work

  @multiples ~w(1 2 3 4 6 8 none)
  @patience 180_000

  def main(args, compiled) do
    source = inspect(Path.expand("../lib/bounded/vm.ex", __DIR__))
    multiples = if args == [], do: @multiples, else: args

    Vm.with_machine(compiled, fn machine ->
      IO.puts(Vm.describe(machine) <> "\n")
      rows = rows(:passes, Work.honest()) ++ rows(:peak, Work.growing())
      row("m", multiples)
      died = Enum.map(rows, &row(&1, multiples, machine, source))
      if Enum.any?(died), do: 1, else: 0
    end)
  end

  defp rows(probe, works),
    do: for({work, n} <- Enum.with_index(works), do: {probe, elem(work, 0), n})

  defp row({probe, name, n}, multiples, machine, source) do
    cells =
      for m <- multiples do
        expression =
          "Bench.VmFlag.Probe.#{probe}(#{if m == "none", do: "nil", else: m}, #{source}, #{n})"

        case Vm.run(machine, expression, @patience) do
          {:ok, cell} -> cell
          {:died, why} -> why
          :hung -> "hung"
        end
      end

    row(name, cells)
    Enum.any?(cells, &(not String.match?(&1, ~r/^\d/)))
  end

  defp row(name, cells),
    do:
      IO.puts(
        String.pad_trailing(name, 56) <> Enum.map_join(cells, "  ", &String.pad_leading(&1, 8))
      )
end

compiled =
  for file <- ~w(control_group.exs vm.exs vm_flag/probe.exs),
      module <- Code.require_file(file, __DIR__),
      do: module

System.halt(Bench.VmFlag.main(System.argv(), compiled))
