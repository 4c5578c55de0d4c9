defmodule Bench.Innocent.Kinds do
  # Every kind of honest work, in the order in which it is printed.

  alias Bench.Innocent.Kinds

  @modules [
    Kinds.References,
    Kinds.Files,
    Kinds.Heap,
    Kinds.Garbage,
    Kinds.Processes,
    Kinds.Machine
  ]

  def all, do: Enum.flat_map(@modules, & &1.kinds())
end
